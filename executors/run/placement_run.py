"""What an agent keeps in mind of one placement that it runs."""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import NamedTuple

from django.conf import settings

from executors.run import saving, state_files
from executors.run.log_chunks import LogChunks
from executors.run.measured import Measured
from executors.run.running import Running
from executors.run.saving import Before
from jobs.attempts import claims, gangs
from jobs.attempts.claims import PlacementSpec
from jobs.state.desired import CANCEL, END_REASONS, IDLE, PAUSE, PREEMPT, REQUEUE, RUN, SUSPEND
from jobs.state.outcome import PlacementOutcome
from scheduling.lifecycle import EndReason
from workers.runtime.checkpoints import CheckpointMonitor
from workers.runtime.process import CommandResult
from workers.runtime.report_reader import ProgressReader, Report

log = logging.getLogger(__name__)
REASONS = {
    "timeout": EndReason.TIMEOUT,
    "start_failed": EndReason.START_FAILED,
    "lost_lease": EndReason.LOST_LEASE,
    "out_of_memory": EndReason.OUT_OF_MEMORY,
    "process_limit": EndReason.PROCESS_LIMIT,
    "shim_lost": EndReason.LOST_LEASE,
    "platform_error": EndReason.PLATFORM_ERROR,
}
NEVER_RAN = frozenset({"start_failed", "platform_error"})
EXPLAINED_BY_CAUSE = ("exited", "start_failed", "shim_lost")
GIVING_WAY = frozenset({PREEMPT, PAUSE})
"""Wishes that leave a command the time for its checkpoint; it may also complete in it, if it says so."""


class Stop(NamedTuple):
    """Why a command is stopped, and how long it may take; None: as long as its launcher said."""

    reason: EndReason
    grace_seconds: float | None = None
    gives_way: bool = False
    message: str = ""
    before: Before | None = None


class FailureCause(NamedTuple):
    """What the platform knows went wrong on the node: it explains a command that fails meanwhile."""

    reason: EndReason
    message: str


class Note(NamedTuple):
    """Something for the job's history."""

    kind: str
    message: str


class PendingReport(NamedTuple):
    """What was read of a command's reports and is not in the database yet."""

    report: Report
    checkpoint_at: datetime | None


class PlacementRun:
    """One claimed placement on this node, from its claim to the report of its end.

    The thread that runs it attaches the shim; the session's thread reads its status, log and progress and stops it.
    """

    def __init__(self, claimed: PlacementSpec, folder: Path, *, lease_deadline: float) -> None:
        self.claimed = claimed
        self.folder = folder
        self.lease_deadline = lease_deadline
        self.log = LogChunks(folder, attempt_id=claimed.attempt_id, rank=claimed.rank)
        self.report = ProgressReader(folder / "report.jsonl")
        self.secrets: Mapping[str, str] = {}  # by the variables in which its command finds them, or their files
        self.unsaid: PendingReport | None = None
        self.series_due = 0.0  # on the monotonic clock
        self.checkpoints: CheckpointMonitor | None = None
        self.cores: tuple[int, ...] = ()
        self.start_recorded = False
        self.active_at = self.active_told = 0.0  # on the monotonic clock
        self.measured = Measured(len(claimed.gpu_indices))
        self.gpus_told = 0.0  # likewise
        self.notes: deque[Note] = deque()
        self._cause: FailureCause | None = None
        self._shim: Running | None = None
        self._stop: Stop | None = None
        self._suspended = self._is_getting_ready = False
        self._lock = threading.Lock()
        self._may_go_on = threading.Event()
        self._start_due = math.inf  # on the monotonic clock
        if claimed.nodes == 1:
            self.release()

    @property
    def placement_id(self) -> int:
        return self.claimed.placement_id

    @property
    def waits_for_its_gang(self) -> bool:
        """Whether its command must not start yet, because other members have not been claimed."""
        return not self._may_go_on.is_set()

    @property
    def can_detach(self) -> bool:
        """Whether the next agent of the node finds it: its shim is there, or certainly nothing of it was started."""
        return self._shim is not None or self.waits_for_its_gang

    def release(self) -> None:
        """All members of the gang are there."""
        if not self._may_go_on.is_set():  # told again it gets no more time
            self._start_due = time.monotonic() + settings.START_SECONDS
        self._may_go_on.set()

    @property
    def hangs(self) -> bool:
        """Whether it might have begun long ago and has not: its launch or its shim is stuck somewhere in the kernel."""
        with self._lock:
            shim = self._shim
        late = time.monotonic() > self._start_due and not self._is_getting_ready
        return late and (shim is None or shim.status() is None)

    @contextmanager
    def getting_ready(self) -> Iterator[None]:
        """Meanwhile it is not overdue: what it needs to begin is on its way, by whoever has a clock for that."""
        self._is_getting_ready = True
        try:
            yield
        finally:
            if not self.waits_for_its_gang:
                self._start_due = time.monotonic() + settings.START_SECONDS
            self._is_getting_ready = False

    def ended_by_stop(self) -> PlacementOutcome | None:
        """How it ends, if it was stopped before anything of it was started."""
        with self._lock:
            stop = self._stop
        return PlacementOutcome(self.claimed.ref, stop.reason, message=stop.message) if stop else None

    def wait_for_its_gang(self) -> PlacementOutcome | None:
        """Returns once the command may start; or how the run ends if it was stopped before that."""
        self._may_go_on.wait()
        return self.ended_by_stop() if self.claimed.nodes > 1 else None

    def attach(self, shim: Running) -> None:
        """The command's shim is there; whatever was wanted of it meanwhile happens now."""
        # Under the lock only what is remembered: a shim's files may be slow. Who asks for a stop meanwhile finds the shim.
        with self._lock:
            self._shim = shim
            stop, suspended = self._stop, self._suspended or shim.suspended
            self._suspended = suspended
        shim.renew(self.lease_deadline)
        if stop is not None:  # it is the stronger wish: what stands still could not save its work
            shim.stop(stop.grace_seconds)
        elif suspended:
            shim.suspend()

    def renew(self, lease_deadline: float) -> None:
        """The lease now ends at `lease_deadline` on the clock of `workers.runtime.shim.clock`."""
        with self._lock:
            self.lease_deadline = lease_deadline
            shim = self._shim
        if shim is not None:
            shim.renew(lease_deadline)

    @property
    def stopping(self) -> Stop | None:
        """Why it is being stopped, if it is."""
        return self._stop

    @property
    def suspended(self) -> bool:
        """Whether the command stands still, as far as this agent has told its shim: silence is no stall then."""
        return self._suspended and self._stop is None

    def apply_desired(self, wish: str) -> None:
        """Do what is wished of the job; what is not known is left undone."""
        if wish in GIVING_WAY:
            self.stop(END_REASONS[wish], self.grace(settings.PREEMPT_GRACE_SECONDS), gives_way=True)
        elif wish == CANCEL:
            self.stop(END_REASONS[wish], settings.KILL_GRACE_SECONDS)
        elif wish in (REQUEUE, IDLE):
            self.stop(END_REASONS[wish], self.grace(settings.KILL_GRACE_SECONDS))
        elif wish in END_REASONS:
            self.stop(END_REASONS[wish])
        elif wish in (SUSPEND, RUN):
            self._suspend(wish == SUSPEND)

    def grace(self, usual: float) -> float:
        """How long its command may take to save its work: as the job says, within the operator's limit, else as usual."""
        own = self.claimed.grace_seconds
        return usual if own is None else min(own, settings.MAX_GRACE_SECONDS)

    @property
    def shim_pid(self) -> int:
        """The process above all of its command's; 0 before there is one."""
        return self._shim.pid if self._shim is not None else 0

    def _suspend(self, suspended: bool) -> None:
        """Let the command stand still, or go on. The shim is told of a change; it keeps to it without us."""
        with self._lock:
            if self._stop is not None or suspended == self._suspended:
                return
            self._suspended = suspended
            shim = self._shim
        if shim is not None:
            (shim.suspend if suspended else shim.go_on)()

    def note(self, kind: str, message: str) -> None:
        """Have it written into the job's history with the next batch."""
        self.notes.append(Note(kind, message))

    def set_cause(self, reason: EndReason, message: str) -> None:
        """If the command fails, this is why, and not its own fault; the first cause counts."""
        self._cause = self._cause or FailureCause(reason, message)

    def stop(
        self, reason: EndReason, grace_seconds: float | None = None, *, gives_way: bool = False, message: str = ""
    ) -> None:
        """Stop the command; the first reason given is the one that its end is reported with, in the words of `message`.

        A command that `gives_way` may also complete in its grace. A cancellation is stronger than any reason before it,
        and may bring the end forward: nobody waits for a checkpoint of it.
        """
        if self._is_stopping(reason):
            return
        before = saving.before_stop(self.checkpoints, self.report.path) if gives_way else None
        with self._lock:
            if self._is_stopping(reason):
                return
            self._stop = Stop(reason, grace_seconds, gives_way, message, before)
            shim = self._shim
        state_files.note_stop(self.folder, reason, gives_way=gives_way, before=before)
        self._may_go_on.set()
        if shim is not None:
            shim.stop(grace_seconds)

    def _is_stopping(self, reason: EndReason) -> bool:
        """Whether it is being stopped already, for a reason that is not weaker."""
        cancelled = reason == EndReason.CANCELLED
        return self._stop is not None and (not cancelled or self._stop.reason == EndReason.CANCELLED)

    def recall_stop(self) -> None:
        """What an earlier agent began to stop is still being stopped, for the same reason."""
        told = state_files.read_stop(self.folder)
        if told is not None:
            self._stop = Stop(told[0], gives_way=told[1], before=told[2])

    def started_at(self) -> datetime | None:
        """When the command began to run, while it does: of one that has ended, the end will tell."""
        status = self._shim.status() if self._shim is not None else None
        return moment(status.get("started_at")) if status and status["phase"] == "running" else None

    def outcome(self, result: CommandResult) -> PlacementOutcome:
        """How the command's end is reported. A stop that was asked for counts only if the command had not ended."""
        self._end_log(result)
        if self._cause is not None and result.exit_code != 0 and result.reason in EXPLAINED_BY_CAUSE:
            return self._end(result, self._cause.reason, self._cause.message)
        reason = REASONS.get(result.reason)
        # Stopped, and nobody here knows by whom: an earlier agent could not write it down (its disk was full).
        stop = (self._stop or Stop(EndReason.PREEMPTED, gives_way=True)) if result.reason == "stopped" else None
        if stop is not None:
            return self._end(result, stop.reason, stop.message, asked=stop)
        if reason is None:
            reason = EndReason.COMPLETED if result.exit_code == 0 else EndReason.EXIT_CODE
        return self._end(result, reason, "")

    def _end(
        self, result: CommandResult, reason: EndReason, message: str, *, asked: Stop | None = None
    ) -> PlacementOutcome:
        return PlacementOutcome(
            ref=self.claimed.ref,
            reason=reason,
            exit_code=result.exit_code,
            message=" ".join(filter(None, (message, result.message))),
            started_at=None if result.reason in NEVER_RAN else moment(result.started_at),
            asked=asked is not None and asked.gives_way,
            saved=saving.since(asked.before, self.checkpoints, self.report.path) if asked is not None else None,
            peak_memory_mb=None if result.peak_memory_bytes is None else result.peak_memory_bytes // 2**20,
            cpu_seconds=result.cpu_seconds,
            **self.measured.outcome(time.monotonic()),
        )

    def _end_log(self, result: CommandResult) -> None:
        """Of a shim that was killed nobody knows what it had read and not written yet."""
        status = (self._shim.status() if self._shim is not None else None) or {}
        if result.reason == "shim_lost":
            self.log.end(None)
        else:
            self.log.end(status.get("log_bytes", 0), status.get("log_lost", ""))

    def failed_to_start(self, error: OSError) -> PlacementOutcome:
        """The node itself could not start the command: no fault of the command's, which nobody has looked at yet."""
        reason = EndReason.DISK_FULL if error.errno in (ENOSPC, EDQUOT) else EndReason.PLATFORM_ERROR
        return self.failed(reason, f"The node could not start the command: {error}")

    def failed(self, reason: EndReason, message: str) -> PlacementOutcome:
        """The node has no outcome of the command to report."""
        return PlacementOutcome(ref=self.claimed.ref, reason=reason, message=message)


def moment(seconds: float | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def record_starts(runs: Iterable[PlacementRun], *, node_id: int) -> None:
    """Say of each command that runs by now since when it does, once."""
    new = [(run, begun) for run in runs if not run.start_recorded and (begun := run.started_at()) is not None]
    if new:
        claims.started({run.claimed.ref: begun for run, begun in new}, node_id=node_id)
        for run, _ in new:
            run.start_recorded = True


def release_complete_gangs(runs: Iterable[PlacementRun]) -> None:
    """Let those members start whose gang is complete."""
    waiting = [run for run in runs if run.waits_for_its_gang]
    if not waiting:
        return
    complete = gangs.complete([run.claimed.attempt_id for run in waiting])
    for run in waiting:
        if run.claimed.attempt_id in complete:
            run.release()


def renewable(runs: Sequence[PlacementRun]) -> list[PlacementRun]:
    """Those whose leases are to be renewed: of a run that hangs nobody else can say that it will not begin."""
    for run in runs:
        if run.hangs:
            log.error(
                "Job %d has not begun: its lease is not renewed any more.", run.claimed.job_id, extra=run.claimed.ids
            )
    return [run for run in runs if not run.hangs]
