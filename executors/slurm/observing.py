"""What a workload's state is: by Slurm's record of its job, and by what its members' shells left in its folder.

Slurm's word decides; the shells know why a command ended that Slurm saw end with some exit code, and what Slurm has forgotten.
"""

from dataclasses import dataclass, replace

from clusters.slurm.records import ENDED_STATES, AccountedJob, SlurmJob
from executors.engine import Observed, Phase
from executors.slurm import reasons
from executors.slurm.shared_folder import Ending
from scheduling.lifecycle import EndReason

NOT_OPENED = 53
"""With this "signal" Slurm says that a node could not open the output or enter the folder."""
KILLED = frozenset({137, 143})
"""What a shell says of a command that SIGKILL or SIGTERM ended."""
SLACK_SECONDS = 90.0
"""Slurm looks at time limits every half a minute, and sends its warning up to a minute early."""
ROUNDED_SECONDS = 2.0
"""Slurm's moments are whole seconds."""


@dataclass(frozen=True, slots=True)
class FolderView:
    """What is in a workload's folder, as far as an end needs it."""

    endings: tuple[Ending, ...] = ()
    stop_asked: bool = False
    all_ended: bool = False
    """Whether each member's shell has told how its command ended."""
    began: bool = True
    """Whether the batch script has run at all."""
    waited_seconds: float | None = None
    """Until it ran, from a moment before its submission on; both by the clock of whoever serves the folder."""
    given_up: str = ""
    """Why its bridge took it out of Slurm's queue."""
    last_words: str = ""


def active(job: SlurmJob) -> Observed:
    """Of one that has not ended."""
    if job.state == "PENDING" or "CONFIGURING" in job.flags:
        return Observed(job.name, Phase.WAITING, message=reasons.sentence(job.reason, job.description))
    suspended = "Somebody suspended it in Slurm (scontrol resume lets it go on)." if job.state == "SUSPENDED" else ""
    return Observed(job.name, Phase.RUNNING, started_at=job.start, message=suspended)


def ended(job: SlurmJob, seen: FolderView, used: AccountedJob | None = None) -> Observed:
    """Of one that has."""
    if not seen.stop_asked and _was_started_again(job, seen):
        words = f"Slurm lost its record that job {job.job_id} ran, started it a second time, and ended it."
        return _without_slurm(job.name, job.job_id, seen, words)
    found = replace(
        _ended(job, seen, _first(seen.endings)), started_at=job.start, ended_at=job.end, stop_asked=seen.stop_asked
    )
    if found.reason == EndReason.CANCELLED and not seen.stop_asked:
        found = _cancelled(found, job, seen, used)
    if used is None:
        return found
    return replace(
        found,
        peak_memory_mb=used.peak_memory_mb,
        cpu_seconds=used.cpu_seconds,
        joules=used.joules,
    )


def _was_started_again(job: SlurmJob, seen: FolderView) -> bool:
    """A controller that lost its last seconds starts anew what runs already; its node, or its batch script, refuses.

    Slurm then says that it waited longer than it did. Spans are compared, not moments: the clocks may differ.
    """
    if job.start is None or job.submitted is None or seen.waited_seconds is None:
        return False
    return job.start - job.submitted > seen.waited_seconds + ROUNDED_SECONDS


def _cancelled(found: Observed, job: SlurmJob, seen: FolderView, used: AccountedJob | None) -> Observed:
    """Not because we asked it to stop: its bridge gave it up, somebody cancelled it, or Slurm did by itself, which is nobody."""
    if seen.given_up:
        return replace(found, reason=EndReason.PREEMPTED, message=seen.given_up, charged=False)
    if job.nodes and not seen.began:
        # A node that still runs the number which a controller lost, and gave again, refuses the second of that number.
        words = f"Slurm cancelled job {job.job_id} at its launch on {', '.join(job.nodes)}, before it had begun."
    elif used is None or used.job.end is None:
        return found
    elif used.killed_by:
        return replace(found, message=f"{found.message} It was {used.killed_by}.")
    else:
        # A controller that lost its last seconds gives numbers again, and may then end the wrong job of that number.
        words = f"Slurm ended job {job.job_id}, and nobody is on record who cancelled it."
    return replace(found, reason=EndReason.NODE_LOST, message=words, charged=False)


def lost(name: str, job_id: int | None, seen: FolderView) -> Observed:
    """Of one of which Slurm knows nothing any more."""
    words = f"Slurm does not know job {job_id} any more: its controller or its accounts have lost it."
    return _without_slurm(name, job_id, seen, words)


def _without_slurm(name: str, job_id: int | None, seen: FolderView, words: str) -> Observed:
    """As its shells say; in these words if they say nothing, or were killed: Slurm kills on its nodes what it does not know."""
    last = _first(seen.endings)
    killed = last is not None and (last.reason == "term" or last.exit_code in KILLED) and not seen.stop_asked
    if seen.all_ended and not killed:
        state = "COMPLETED" if last is None or last.exit_code == 0 else "FAILED"
        made_up = SlurmJob(job_id or 0, name, state, end=last.moment if last else None)
        return ended(made_up, seen)
    return Observed(
        name, Phase.ENDED, reason=EndReason.NODE_LOST, message=words, charged=False, stop_asked=seen.stop_asked
    )


def _first(endings: tuple[Ending, ...]) -> Ending | None:
    """The end that brought about the others': of those that went wrong by themselves the earliest."""
    bad = [one for one in endings if one.exit_code or one.reason != "exited"]
    own = [one for one in bad if one.reason in {"exited", "start_failed"} and one.exit_code not in KILLED]
    return min(own or bad or endings, key=lambda one: (one.moment, one.rank), default=None)


def _ended(job: SlurmJob, seen: FolderView, last: Ending | None) -> Observed:
    said = _by_state(job)
    rank = None if last is None or (last.reason == "exited" and not last.exit_code) else last.rank
    if said is not None and job.state != "CANCELLED":
        return replace(said, exit_code=last.exit_code if last else None, rank=rank)
    if last is None and job.state in {"FAILED", "CANCELLED"} and not seen.stop_asked:
        return said or _never_ran(job, seen)
    if last is None:
        return said or _by_exit_code(job, job.exit_code)
    if job.state == "CANCELLED" and seen.all_ended and (last.reason, last.exit_code) == ("exited", 0):
        # None was told to stop: it was over before Slurm heard of that, or by its end cancelled what it had started anew.
        return Observed(job.name, Phase.ENDED, reason=EndReason.COMPLETED, exit_code=0)
    return replace(_by_ending(job, last), rank=rank)


def _by_state(job: SlurmJob) -> Observed | None:
    """Ends that Slurm brought about, or saw on the node; None for those that were the command's."""
    about = f" Slurm says {job.state}" + (f", {job.reason}" if job.reason else "") + "."
    where = f" on {', '.join(job.nodes)}" if job.nodes else ""
    reason, words, charged = {
        "TIMEOUT": (EndReason.TIMEOUT, f"It ran longer than its time limit in Slurm{_limit(job)}.", True),
        "DEADLINE": (EndReason.TIMEOUT, "It could not end before its deadline in Slurm.", True),
        "OUT_OF_MEMORY": (EndReason.OUT_OF_MEMORY, f"It used more memory than it had{where}.", True),
        "NODE_FAIL": (EndReason.NODE_LOST, f"A node failed{where}.", True),
        "BOOT_FAIL": (EndReason.NODE_LOST, f"A node did not start{where}.", False),
        "REVOKED": (EndReason.NODE_LOST, "Another cluster of the federation took it.", False),
        "PREEMPTED": (EndReason.PREEMPTED, "Slurm took its place away for another job.", False),
        "CANCELLED": (EndReason.CANCELLED, f"Somebody cancelled job {job.job_id} in Slurm.", True),
    }.get(job.state, (None, "", True))
    if reason is None:
        return None
    return Observed(job.name, Phase.ENDED, reason=reason, message=words + about, charged=charged)


def _by_ending(job: SlurmJob, last: Ending) -> Observed:
    code = last.exit_code
    if last.reason == "start_failed":
        words = last.words or "The command could not be started on the node."
        return Observed(job.name, Phase.ENDED, reason=EndReason.START_FAILED, exit_code=code, message=words)
    if last.reason == "timeout":
        words = "The command ran longer than its max_runtime_seconds and was stopped."
        return Observed(job.name, Phase.ENDED, reason=EndReason.TIMEOUT, exit_code=code, message=words)
    if last.reason == "term":
        return _told_by_slurm(job, last)
    if job.state == "CANCELLED" and last.reason == "exited":
        return replace(_by_state(job) or _by_exit_code(job, code), exit_code=code)
    return _by_exit_code(job, code)


def _told_by_slurm(job: SlurmJob, last: Ending) -> Observed:
    """It ended in the time that Slurm gave it: before its limit, or as its place was taken or somebody cancelled it."""
    if job.state == "CANCELLED":
        return replace(_by_state(job) or _by_exit_code(job, last.exit_code), exit_code=last.exit_code)
    ran = (job.end or last.moment) - (job.start or last.moment)
    if job.limit_minutes is not None and ran >= job.limit_minutes * 60 * 0.5 - SLACK_SECONDS:
        words = f"Slurm warned it that its time limit comes{_limit(job)}, and it ended."
        return Observed(job.name, Phase.ENDED, reason=EndReason.TIMEOUT, exit_code=last.exit_code, message=words)
    words = "Slurm sent SIGTERM, and it ended: its place was taken, or its node drained."
    return Observed(
        job.name, Phase.ENDED, reason=EndReason.PREEMPTED, exit_code=last.exit_code, message=words, charged=False
    )


def _by_exit_code(job: SlurmJob, code: int | None) -> Observed:
    if code == 0 and job.state in {"COMPLETED", "FAILED"}:
        return Observed(job.name, Phase.ENDED, reason=EndReason.COMPLETED, exit_code=0)
    return Observed(job.name, Phase.ENDED, reason=EndReason.EXIT_CODE, exit_code=code)


def _never_ran(job: SlurmJob, seen: FolderView) -> Observed:
    """It failed, and no shell of ours has said how its command ended."""
    if job.signal == NOT_OPENED or f":{NOT_OPENED}" in job.reason:
        words = "Its node could not open its files: is the shared folder mounted there, for this user?"
    else:
        words = " ".join(part for part in ("Slurm could not run it:", job.reason, seen.last_words) if part)
    return Observed(
        job.name,
        Phase.ENDED,
        reason=EndReason.START_FAILED,
        exit_code=job.exit_code or None,
        message=words,
        charged=False,
    )


def _limit(job: SlurmJob) -> str:
    return f" of {job.limit_minutes} minutes" if job.limit_minutes else ""


def may_end(job: SlurmJob) -> bool:
    """Whether it can still be cancelled."""
    return job.state not in ENDED_STATES
