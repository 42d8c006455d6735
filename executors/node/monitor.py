"""What an agent looks after beside its shims: folders that grow, GPUs that fail, commands that look dead, a disk that is full.

One thread for all that runs on the node, without a database: what it finds it does to the runs, and the session tells.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from executors.node.metering import Metering
from executors.node.node_status import NodeStatus
from executors.run.placement_run import PlacementRun
from jobs.state.outcome import PlacementOutcome
from scheduling.lifecycle import EndReason
from workers.runtime.activity import Activity
from workers.runtime.disk_usage import DiskUsage
from workers.runtime.idle_watchdog import IdleAction, IdleWatchdog

log = logging.getLogger(__name__)
TURN_SECONDS = 2.0
WALK_SECONDS = 0.1
"""What walking through folders may take of each turn, for all jobs together."""
GIB = 2**30


@dataclass(frozen=True, slots=True)
class MonitoredRun:
    """One run with what is known of it so far."""

    run: PlacementRun
    usage: DiskUsage
    idle_watchdog: IdleWatchdog
    activity: Activity


class Monitor:
    """Watches runs from `add` to `remove`; every method may be called from any thread."""

    def __init__(self, status: NodeStatus, *, tell: Callable[[], None]) -> None:
        """`tell` has the next heartbeat sent at once."""
        self._status = status
        self._tell = tell
        self._metering = Metering(status)
        self._monitored: dict[int, MonitoredRun] = {}
        self._closed = threading.Event()
        self._disk_was_full = False

    def start(self) -> None:
        self._status.faults.start()
        threading.Thread(target=self._loop, name="monitor", daemon=True).start()

    def close(self) -> None:
        self._status.faults.close()
        self._closed.set()

    def refusal(self, run: PlacementRun) -> PlacementOutcome | None:
        """How the run ends before it begins, where the node cannot take it."""
        problem = self._status.disk.problem()
        if problem:
            return run.failed(EndReason.DISK_FULL, problem)
        out = self._status.faults.out
        words = next((out[index] for index in run.claimed.gpu_indices if index in out), "")
        return run.failed(EndReason.GPU_ERROR, words) if words else None

    def add(self, run: PlacementRun, *folders: Path) -> None:
        """From now on: `folders` are those whose size is limited."""
        limit = settings.SILENCE_SECONDS if run.claimed.gpu_indices else 0
        now, seen = time.monotonic(), printed(run.folder)
        watchdog = IdleWatchdog(limit, now, seen=seen, kept=run.folder / "sign" if limit else None)
        activity = Activity(run.claimed.stall_seconds or settings.STALL_SECONDS, now, seen)
        self._monitored[run.placement_id] = MonitoredRun(run, DiskUsage(folders), watchdog, activity)
        self._metering.begin(run)

    def remove(self, run: PlacementRun, cpu_seconds: float | None = None) -> None:
        """The command has ended, after so much processor time: if the node was at fault, the run is told."""
        self._monitored.pop(run.placement_id, None)
        self._metering.end(run, cpu_seconds)
        fault = self._status.faults.fatal(run.claimed.gpu_indices)
        if fault is not None:
            run.set_cause(EndReason.GPU_ERROR, fault.sentence)
        problem = self._status.disk.recent_problem()
        if problem:
            run.set_cause(EndReason.DISK_FULL, problem)

    def _loop(self) -> None:
        while not self._closed.wait(TURN_SECONDS):
            try:
                self.turn()
            except Exception:
                log.exception("A look at what runs here failed; the next one follows.")

    def turn(self) -> None:
        """Look at everything once."""
        monitored = list(self._monitored.values())
        self._check_disk()
        # Faults before signs of life: the first reason for a stop counts, and a job on a broken GPU looks dead as well.
        self._stop_on_gpu_faults(monitored)
        self._note_foreign_processes(monitored)
        for each in monitored:
            # Each gets its part of the time, and goes on where it was: a folder of a million files takes many turns.
            self._check_output_limit(each, WALK_SECONDS / len(monitored))
            seen = printed(each.run.folder)
            self._record_activity(each, seen)
            self._check_idle(each, seen)
        self._metering.look()

    def _check_disk(self) -> None:
        problem = self._status.disk.problem()
        if bool(problem) != self._disk_was_full:
            self._disk_was_full = bool(problem)
            log.warning(problem or "There is room on the node's disk again.")
            self._tell()

    def _stop_on_gpu_faults(self, monitored: list[MonitoredRun]) -> None:
        for fault in self._status.faults.new_faults():
            self._tell()
            for run in (each.run for each in monitored if fault.index in each.run.claimed.gpu_indices):
                if fault.ends_job:
                    run.set_cause(EndReason.GPU_ERROR, fault.sentence)  # it may end by itself before we stop it
                    run.stop(EndReason.GPU_ERROR, message=fault.sentence)
                else:
                    run.note("gpu_warning", fault.sentence)

    def _note_foreign_processes(self, monitored: list[MonitoredRun]) -> None:
        for one in self._status.new_foreign_processes(self._holders(monitored)):
            self._tell()
            for run in (each.run for each in monitored if one.folder == str(each.run.folder)):
                run.note(
                    "gpu_trespass", f"Its process {one.pid} ({one.command}) computes on GPU {one.index}: not its own."
                )

    @staticmethod
    def _holders(monitored: list[MonitoredRun]) -> Mapping[int, Path]:
        return {index: each.run.folder for each in monitored for index in each.run.claimed.gpu_indices}

    @staticmethod
    def _check_output_limit(each: MonitoredRun, seconds: float) -> None:
        limit = settings.OUTPUT_LIMIT_GB
        if not limit:
            return
        used = each.usage.walk(seconds) / GIB
        if used > limit:
            words = f"Its outputs and checkpoints take {used:.3g} GB; the limit is {limit:g} GB."
            each.run.stop(EndReason.OUTPUT_LIMIT, message=words)

    def _record_activity(self, each: MonitoredRun, seen: object) -> None:
        """Whoever stands still because that is wished is as alive as it was: it need not prove it."""
        run, now = each.run, time.monotonic()
        signs = each.activity.check(now, seen=seen, root=run.shim_pid)
        if signs or run.suspended or self._status.busy(run.claimed.gpu_indices):
            run.active_at = now

    def _check_idle(self, each: MonitoredRun, seen: object) -> None:
        run = each.run
        if not self._status.measured and run.claimed.gpu_indices:
            return  # an agent that has just begun does not know yet what its GPUs do
        busy = run.suspended or not self._status.idle(run.claimed.gpu_indices)
        step = each.idle_watchdog.check(time.monotonic(), seen=seen, busy=busy)
        if step is None:
            return
        minutes = settings.SILENCE_SECONDS / 60
        words = f"no output, no report and no work on its GPUs for {minutes / 2 if step == IdleAction.WARN else minutes:.3g} minutes"
        if step == IdleAction.ACT and run.claimed.stall_action == "stop":
            run.stop(EndReason.STALLED, message=f"{words[:1].upper()}{words[1:]}.")
        else:
            run.note("silent", f"It looks dead: {words}.")


def printed(folder: Path) -> tuple[tuple[str, int], ...]:
    """What changes with each word that the command prints or reports."""
    try:
        names = [*folder.glob("log*"), folder / "report.jsonl"]
        return tuple(sorted((path.name, path.stat().st_size) for path in names if path.exists()))
    except OSError:
        return ()
