"""One attempt that a cluster runs for us: its members as the agent's parts know them, and how far its workload is."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings

from executors.bridge.spool import LogSpool, ReportSpool
from executors.bridge.workloads import workload_name
from executors.engine import Observed, Phase
from executors.run.placement_run import PlacementRun
from jobs.attempts.claims import PlacementSpec
from jobs.state.outcome import PlacementOutcome

MEGABYTE = 1024 * 1024


class AttemptRun:
    """From the claim of its members to the report of their ends. Used by the bridge's one thread."""

    def __init__(self, specs: Sequence[PlacementSpec], folder: Path, *, started: bool = False) -> None:
        self.name = workload_name(specs[0])
        self.members = [PlacementRun(spec, folder / str(spec.placement_id), lease_deadline=math.inf) for spec in specs]
        self.log_spools: dict[int, LogSpool] = {}
        self.report_spool: ReportSpool | None = None
        self.created = started  # the cluster has taken it, as far as is known
        self.start_asked = started  # the cluster may have it: an answer may have been lost
        self.starting = False  # a thread asks the cluster for it, or is about to
        self.start_recorded = started
        self.observed: Observed | None = None
        self.absent_since: float | None = None  # on the monotonic clock
        self.stop_within: float | None = None  # a stop is wished, with this grace
        self.stop_told: float | None = None  # the engine was told to stop it, with this grace
        self.stop_told_at = 0.0  # on the monotonic clock
        self.reported_before_stop: int | None = None  # how long its report was when it was first to stop
        self.told_waiting = ""  # what its history says that it waits for in the cluster
        self.fetching = False  # a thread reads the rest of its output
        self.output_lost = False  # its end could not be read
        self.given_up = False  # not ours any more: stopped, forgotten, and not reported
        self.ending: list[PlacementOutcome] | None = None  # how it ended, to be reported once its output is whole
        for run in self.members:
            run.recall_stop()
            run.attach(Handle(self))

    @property
    def spec(self) -> PlacementSpec:
        return self.members[0].claimed

    @property
    def may_start(self) -> bool:
        """All its members were claimed, nothing was started yet, and nobody wants it to stop."""
        whole = len(self.members) == self.spec.nodes and not any(run.waits_for_its_gang for run in self.members)
        return whole and not (self.created or self.starting) and self.ending is None and self.stop_within is None

    @property
    def runs(self) -> bool:
        return self.observed is not None and self.observed.phase == Phase.RUNNING

    @property
    def is_whole(self) -> bool:
        """Its end is known, and of its output all that the cluster has lies here."""
        return self.ending is not None and not self.fetching

    def join(self, specs: Sequence[PlacementSpec], folder: Path) -> None:
        """Further members of the same attempt were claimed."""
        known = {run.placement_id for run in self.members}
        for spec in specs:
            if spec.placement_id not in known:
                run = PlacementRun(spec, folder / str(spec.placement_id), lease_deadline=math.inf)
                run.attach(Handle(self))
                self.members.append(run)
        self.members.sort(key=lambda run: run.claimed.rank)

    def open_spools(self) -> None:
        """Go on with its output after what the database has, or what lies here."""
        for run in self.members:
            limit = int(settings.LOG_LIMIT_MB * MEGABYTE)
            self.log_spools[run.claimed.rank] = LogSpool(run.folder, limit, run.log.position)
        self.report_spool = ReportSpool(self.members[0].report.path, self.members[0].report.offset)

    def wish_stop(self, grace_seconds: float | None) -> None:
        if self.stop_within is None and self.report_spool is not None:
            self.reported_before_stop = self.report_spool.position
        grace = settings.KILL_GRACE_SECONDS if grace_seconds is None else grace_seconds
        self.stop_within = grace if self.stop_within is None else min(self.stop_within, grace)


class Handle:
    """What a member's run takes for its command's shim: it passes on to the workload what is wished."""

    pid = 0
    suspended = False

    def __init__(self, attempt: AttemptRun) -> None:
        self._attempt = attempt

    def status(self) -> dict[str, Any] | None:
        return None

    def stop(self, grace_seconds: float | None = None) -> None:
        self._attempt.wish_stop(grace_seconds)

    def suspend(self) -> None:
        """No engine can: it is refused at the door."""

    def go_on(self) -> None:
        """Nothing stands still."""

    def renew(self, lease_deadline: float) -> None:
        """No lease of ours ends what a cluster runs: unknown never kills."""
