"""The states of a job and of a placement, a sentence each, and the moves that are allowed between them."""

from enum import StrEnum


class JobState(StrEnum):
    PENDING = "pending"  # waits in line; its reasons say for what
    QUEUED = "queued"  # placed on a node, the node has been told
    ASSIGNED = "assigned"  # claimed by the node's agent, not started yet
    RUNNING = "running"  # its command runs
    PAUSED = "paused"  # off its node, until its owner resumes it
    COMPLETED = "completed"  # its command ended with exit code 0
    FAILED = "failed"  # ended otherwise, and no retry is left
    CANCELLED = "cancelled"  # ended because somebody asked for it


class PlacementState(StrEnum):
    PLACED = "placed"  # decided and published
    CLAIMED = "claimed"  # the agent holds its lease
    RUNNING = "running"  # the command runs on this node
    CLOSED = "closed"  # over; its resources are free


class EndReason(StrEnum):
    """Why an attempt ended."""

    COMPLETED = "completed"
    EXIT_CODE = "exit_code"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    NODE_LOST = "node_lost"
    CANCELLED = "cancelled"
    PREEMPTED = "preempted"
    PAUSED = "paused"
    STALLED = "stalled"
    IDLE = "idle"
    START_FAILED = "start_failed"
    LOST_LEASE = "lost_lease"
    GANG_ENDED = "gang_ended"
    OUTPUT_LIMIT = "output_limit"
    PROCESS_LIMIT = "process_limit"
    DISK_FULL = "disk_full"
    GPU_ERROR = "gpu_error"
    PLATFORM_ERROR = "platform_error"
    CODE_UNAVAILABLE = "code_unavailable"
    SECRETS_UNAVAILABLE = "secrets_unavailable"
    FILES_UNAVAILABLE = "files_unavailable"
    SETUP_FAILED = "setup_failed"
    DEPENDENCY_FAILED = "dependency_failed"  # of a job that never got an attempt


END_SENTENCES = {
    EndReason.COMPLETED: "The command ended with exit code 0.",
    EndReason.EXIT_CODE: "The command ended with an exit code other than 0, or by a signal.",
    EndReason.TIMEOUT: "The command ran longer than its max_runtime_seconds and was stopped.",
    EndReason.OUT_OF_MEMORY: "The command was stopped because it used more memory than it had.",
    EndReason.NODE_LOST: "The node fell silent for longer than the lease.",
    EndReason.CANCELLED: "The job was cancelled.",
    EndReason.PREEMPTED: "The job had to give its place back: the node drained, or another job went first.",
    EndReason.PAUSED: "The job was paused: it gave its place back.",
    EndReason.STALLED: "The job showed no progress and no sign of life for longer than its limit.",
    EndReason.IDLE: "None of the job's GPUs worked for longer than the rule of its project or queue lets them idle.",
    EndReason.START_FAILED: "The command could not be started.",
    EndReason.LOST_LEASE: "The node could not renew its lease, so the command was stopped there.",
    EndReason.GANG_ENDED: "Another member of the gang ended first, so this one was stopped.",
    EndReason.OUTPUT_LIMIT: "The command wrote more output files than it may.",
    EndReason.PROCESS_LIMIT: "The command was stopped because it had more processes and threads than it may.",
    EndReason.DISK_FULL: "The disk of the node was full.",
    EndReason.GPU_ERROR: "A GPU of the job reported an error.",
    EndReason.PLATFORM_ERROR: "The platform failed on the node, not the command.",
    EndReason.CODE_UNAVAILABLE: "The node could not fetch the code that the job brings along.",
    EndReason.SECRETS_UNAVAILABLE: "The node could not be given the job's secrets.",
    EndReason.FILES_UNAVAILABLE: "The node could not fetch what the job was to begin with: its inputs or its last checkpoint.",
    EndReason.SETUP_FAILED: "The environment in which the command was to run is not there, or could not be built.",
    EndReason.DEPENDENCY_FAILED: "A job that it needed failed, so that it could not start.",
}

TERMINAL_STATES = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED})
"""States in which a job is over."""

ACTIVE_STATES = frozenset({JobState.PENDING, JobState.QUEUED, JobState.ASSIGNED, JobState.RUNNING})
"""States in which the platform has something to do for a job."""

PLACED_STATES = frozenset({JobState.QUEUED, JobState.ASSIGNED, JobState.RUNNING})
"""States in which a job holds resources."""

LEASED_STATES = frozenset({PlacementState.CLAIMED, PlacementState.RUNNING})
"""States in which a node holds the lease of a placement."""

MOVES: dict[JobState, frozenset[JobState]] = {
    JobState.PENDING: frozenset({JobState.QUEUED, JobState.PAUSED, JobState.FAILED, JobState.CANCELLED}),
    JobState.QUEUED: frozenset(
        {JobState.ASSIGNED, JobState.PENDING, JobState.PAUSED, JobState.FAILED, JobState.CANCELLED}
    ),
    JobState.ASSIGNED: frozenset(
        {JobState.RUNNING, JobState.PENDING, JobState.PAUSED, JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED}
    ),
    JobState.RUNNING: frozenset(
        {JobState.PENDING, JobState.PAUSED, JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED}
    ),
    JobState.PAUSED: frozenset({JobState.PENDING, JobState.FAILED, JobState.CANCELLED}),
    JobState.COMPLETED: frozenset({JobState.PENDING}),
    JobState.FAILED: frozenset({JobState.PENDING}),
    JobState.CANCELLED: frozenset({JobState.PENDING}),
}
"""Where a job may go from each state. A job that is over goes back to pending only when its owner requeues it."""


def may_move(old: JobState, new: JobState) -> bool:
    return new in MOVES[old]
