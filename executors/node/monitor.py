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

from executors.node.node_status import Condition
from executors.run.placement_run import PlacementRun
from jobs.state.outcome import PlacementOutcome
from scheduling.lifecycle import EndReason
from workers.runtime.activity import Activity
from workers.runtime.disk_usage import FolderUse
from workers.runtime.idle_watchdog import Silence, SilenceWatch

log = logging.getLogger(__name__)
TURN_SECONDS = 2.0
WALK_SECONDS = 0.1
"""What walking through folders may take of each turn, for all jobs together."""
GIB = 2**30


@dataclass(frozen=True, slots=True)
class Watched:
    """One run with what is known of it so far."""

    run: PlacementRun
    use: FolderUse
    silence: SilenceWatch
    activity: Activity


class Monitor:
    """Watches runs from `add` to `remove`; every method may be called from any thread."""

    def __init__(self, condition: Condition, *, tell: Callable[[], None]) -> None:
        """`tell` has the next heartbeat sent at once."""
        self._condition = condition
        self._tell = tell
        self._watched: dict[int, Watched] = {}
        self._closed = threading.Event()
        self._disk_was_full = False

    def start(self) -> None:
        self._condition.faults.start()
        threading.Thread(target=self._watch, name="watch", daemon=True).start()

    def close(self) -> None:
        self._condition.faults.close()
        self._closed.set()

    def refusal(self, run: PlacementRun) -> PlacementOutcome | None:
        """How the run ends before it begins, where the node cannot take it."""
        problem = self._condition.disk.problem()
        if problem:
            return run.failed(EndReason.DISK_FULL, problem)
        out = self._condition.faults.out
        words = next((out[index] for index in run.claimed.gpu_indices if index in out), "")
        return run.failed(EndReason.GPU_ERROR, words) if words else None

    def add(self, run: PlacementRun, *folders: Path) -> None:
        """From now on: `folders` are those whose size is limited."""
        limit = settings.SILENCE_SECONDS if run.claimed.gpu_indices else 0
        now, seen = time.monotonic(), printed(run.folder)
        silence = SilenceWatch(limit, now, seen=seen, kept=run.folder / "sign" if limit else None)
        activity = Activity(run.claimed.stall_seconds or settings.STALL_SECONDS, now, seen)
        self._watched[run.ticket_id] = Watched(run, FolderUse(folders), silence, activity)

    def remove(self, run: PlacementRun) -> None:
        """The command has ended: if the node was at fault, the run is told."""
        self._watched.pop(run.ticket_id, None)
        fault = self._condition.faults.fatal(run.claimed.gpu_indices)
        if fault is not None:
            run.set_cause(EndReason.GPU_ERROR, fault.sentence)
        problem = self._condition.disk.recent_problem()
        if problem:
            run.set_cause(EndReason.DISK_FULL, problem)

    def _watch(self) -> None:
        while not self._closed.wait(TURN_SECONDS):
            try:
                self.turn()
            except Exception:
                log.exception("A look at what runs here failed; the next one follows.")

    def turn(self) -> None:
        """Look at everything once."""
        watched = list(self._watched.values())
        self._look_at_disk()
        # Faults before signs of life: the first reason for a stop counts, and a job on a broken GPU looks dead as well.
        self._hear_of_faults(watched)
        self._look_for_trespassers(watched)
        for each in watched:
            # Each gets its part of the time, and goes on where it was: a folder of a million files takes many turns.
            self._look_at_folders(each, WALK_SECONDS / len(watched))
            seen = printed(each.run.folder)
            self._look_for_life(each, seen)
            self._listen(each, seen)

    def _look_at_disk(self) -> None:
        problem = self._condition.disk.problem()
        if bool(problem) != self._disk_was_full:
            self._disk_was_full = bool(problem)
            log.warning(problem or "There is room on the node's disk again.")
            self._tell()

    def _hear_of_faults(self, watched: list[Watched]) -> None:
        for fault in self._condition.faults.news():
            self._tell()
            for run in (each.run for each in watched if fault.index in each.run.claimed.gpu_indices):
                if fault.ends_job:
                    run.set_cause(EndReason.GPU_ERROR, fault.sentence)  # it may end by itself before we stop it
                    run.stop(EndReason.GPU_ERROR, message=fault.sentence)
                else:
                    run.note("gpu_warning", fault.sentence)

    def _look_for_trespassers(self, watched: list[Watched]) -> None:
        for one in self._condition.new_trespasses(self._holders(watched)):
            self._tell()
            for run in (each.run for each in watched if one.folder == str(each.run.folder)):
                run.note(
                    "gpu_trespass", f"Its process {one.pid} ({one.command}) computes on GPU {one.index}: not its own."
                )

    @staticmethod
    def _holders(watched: list[Watched]) -> Mapping[int, Path]:
        return {index: each.run.folder for each in watched for index in each.run.claimed.gpu_indices}

    @staticmethod
    def _look_at_folders(each: Watched, seconds: float) -> None:
        limit = settings.OUTPUT_LIMIT_GB
        if not limit:
            return
        used = each.use.look(seconds) / GIB
        if used > limit:
            words = f"Its outputs and checkpoints take {used:.3g} GB; the limit is {limit:g} GB."
            each.run.stop(EndReason.OUTPUT_LIMIT, message=words)

    def _look_for_life(self, each: Watched, seen: object) -> None:
        """Whoever stands still because that is wished is as alive as it was: it need not prove it."""
        run, now = each.run, time.monotonic()
        signs = each.activity.look(now, seen=seen, root=run.shim_pid)
        if signs or run.suspended or self._condition.busy(run.claimed.gpu_indices):
            run.active_at = now

    def _listen(self, each: Watched, seen: object) -> None:
        run = each.run
        if not self._condition.measured and run.claimed.gpu_indices:
            return  # an agent that has just begun does not know yet what its GPUs do
        busy = run.suspended or not self._condition.idle(run.claimed.gpu_indices)
        step = each.silence.look(time.monotonic(), seen=seen, busy=busy)
        if step is None:
            return
        minutes = settings.SILENCE_SECONDS / 60
        words = f"no output, no report and no work on its GPUs for {minutes / 2 if step == Silence.WARN else minutes:.3g} minutes"
        if step == Silence.ACT and run.claimed.stall_action == "stop":
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
