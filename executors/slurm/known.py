"""What an engine keeps in mind of its workloads between two looks: their jobs, what was wished of them, how they ended."""

import contextlib
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from clusters.slurm.client import SlurmClient
from clusters.slurm.errors import SlurmRefusedError, UnreachableError
from clusters.slurm.records import AccountedJob, SlurmJob
from executors.engine import Observed, Phase
from executors.slurm import observing, reasons
from executors.slurm.cluster_nodes import Asked
from executors.slurm.observing import FolderView
from executors.slurm.shared_folder import SharedFolder

MARGIN_SECONDS = 5.0
"""After the grace, for the member's own shell to be the one that kills."""
LOST_SECONDS = 20.0
"""So long Slurm may not know a job before it counts as lost: it may just have been submitted, or be on its way to the accounts."""
FIGURES_SECONDS = 3.0
"""So long an end waits for what the job has used: the accounts learn of it a moment later."""
NAME_SECONDS = 30.0
"""So long it waits for who cancelled it, while the accounts answer: a cancellation by nobody would be run again."""
AWAY_SECONDS = 30.0
"""So long it waits for the nodes that the planner chose, if they take nothing: a controller that was started again learns of them late."""
WORTH_FIGURES_SECONDS = 10.0
"""What ran shorter does not wait for them; what ran for next to no time has none."""
TOO_SHORT_SECONDS = 2.0


@dataclass(slots=True)
class _Workload:
    jobs: list[SlurmJob] = field(default_factory=list)
    asked: tuple[Asked, ...] | None = None
    stop_read: bool = False
    stop_by: float | None = None
    """By the wall clock: when it has to be over, once a stop was asked."""
    missing_since: float | None = None
    away_since: float | None = None
    """Since when its nodes take nothing, while it waits for them."""
    ended_since: float | None = None
    last: Observed | None = None


class Known:
    """Of one engine."""

    def __init__(self, shared: SharedFolder, client: SlurmClient) -> None:
        self._shared, self._client = shared, client
        self._workloads: dict[str, _Workload] = {}
        self._accounts_answer = False
        self._lock = threading.RLock()
        """One is forgotten while the others are looked at."""

    def observe(self, names: Collection[str], jobs: Sequence[SlurmJob]) -> dict[str, Observed]:
        """All of these that Slurm has taken. Raises what the client does."""
        by_name: dict[str, list[SlurmJob]] = {}
        for job in jobs:
            if job.name in names:
                by_name.setdefault(job.name, []).append(job)
        with self._lock:
            for gone in set(self._workloads) - set(names):
                del self._workloads[gone]
            for name in names:
                self._workloads.setdefault(name, _Workload()).jobs = by_name.get(name, [])
            used = self._figures(names)
            return {name: seen for name in names if (seen := self._look(name, used)) is not None}

    def stop(self, name: str, grace_seconds: float) -> None:
        """SIGTERM through its folder, which works with the controller away too; out of the queue through Slurm."""
        folder = self._shared.workload(name)
        if not folder.path.exists():
            return
        known = self._workloads.setdefault(name, _Workload())
        self._recall_stop(name, known)
        by = time.time() + grace_seconds
        if known.stop_by is None or by < known.stop_by:
            folder.write_stop(max(0, round(grace_seconds)))
            known.stop_by = by
        if not _has_ended(known) and (grace_seconds <= 0 or not folder.has_begun()):
            self._kill(name)

    def forget(self, name: str) -> None:
        """Nothing of it is in Slurm's queue any more, or will run."""
        known = self._workloads.get(name)
        if self._shared.workload(name).path.exists() and not (known is not None and _has_ended(known)):
            self._kill(name)
        with self._lock:
            self._workloads.pop(name, None)

    def asked(self, name: str) -> tuple[Asked, ...]:
        """What its members have asked for, by rank."""
        known = self._workloads.setdefault(name, _Workload())
        if known.asked is None:
            members = self._shared.workload(name).asked().get("members") or ()
            known.asked = tuple(Asked(int(one["cpus"]), int(one["memory_mb"]), int(one["gpus"])) for one in members)
        return known.asked

    def _look(self, name: str, used: Mapping[str, AccountedJob]) -> Observed | None:
        known = self._workloads[name]
        self._recall_stop(name, known)
        job = self._chosen(name, known)
        if job is None:
            known.last = self._without_job(name, known, used.get(name))
        elif not job.has_ended:
            known.missing_since = known.ended_since = None
            known.last = observing.active(job)
            self._press(known, job)
            self._give_up(name, known, job)
        else:
            known.last = self._end(name, known, job, used.get(name))
        return known.last

    def _chosen(self, name: str, known: _Workload) -> SlurmJob | None:
        """The job that runs it: the owner, else the one that is likely to become that. What is beside the owner goes."""
        if len(known.jobs) < 2:  # noqa: PLR2004  the usual
            return known.jobs[0] if known.jobs else None
        owner = self._shared.workload(name).owner()
        found = next((job for job in known.jobs if job.job_id == owner), None)
        for job in known.jobs:
            if found is not None and job is not found and observing.may_end(job):
                self._client.cancel(job.job_id)
        likely = sorted(known.jobs, key=lambda job: (not observing.may_end(job), job.job_id))
        return found or likely[0]

    def _end(self, name: str, known: _Workload, job: SlurmJob, used: AccountedJob | None) -> Observed:
        """Held back for a moment, where its figures are worth it."""
        now = time.monotonic()
        known.ended_since = known.ended_since or now
        complete = used is not None and used.job.end is not None
        if not complete and now - known.ended_since < self._patience(name, known, job):
            return Observed(name, Phase.RUNNING, started_at=job.start)
        if known.last is not None and known.last.phase == Phase.ENDED and (known.last.peak_memory_mb or not complete):
            return known.last
        return observing.ended(job, self._view(name), used)

    def _patience(self, name: str, known: _Workload, job: SlurmJob) -> float:
        if _by_hand(known, job) and not self._shared.workload(name).given_up():
            return NAME_SECONDS if self._accounts_answer else FIGURES_SECONDS
        return FIGURES_SECONDS if _ran(job) > WORTH_FIGURES_SECONDS else 0.0

    def _without_job(self, name: str, known: _Workload, used: AccountedJob | None) -> Observed | None:
        """The controller forgets what ended a while ago, and all that it had not written down when it died."""
        if _has_ended(known):
            return known.last
        if used is not None and used.job.has_ended:
            return observing.ended(used.job, self._view(name), used)
        folder = self._shared.workload(name)
        number = folder.owner() or folder.submitted()
        if number is None:
            return None
        view = self._view(name)
        known.missing_since = known.missing_since or time.monotonic()
        if time.monotonic() - known.missing_since < LOST_SECONDS:
            return known.last or Observed(name, Phase.WAITING, message="Slurm was asked to run it.")
        return observing.lost(name, number, view)

    def _figures(self, names: Collection[str]) -> dict[str, AccountedJob]:
        """Of those that have ended lately, or that the controller does not know; without accounts of none."""
        wanted = [name for name in names if self._wants_figures(self._workloads[name])]
        if not wanted:
            return {}
        try:
            found = self._client.accounted(wanted)
        except (UnreachableError, SlurmRefusedError):
            self._accounts_answer = False
            return {}
        self._accounts_answer = True
        best: dict[str, AccountedJob] = {}
        for one in sorted(found, key=lambda one: one.job.job_id):
            mine = {job.job_id for job in self._workloads[one.job.name].jobs} if one.job.name in names else set()
            if one.job.name in names and (not mine or one.job.job_id in mine):
                best[one.job.name] = one
        return best

    def _wants_figures(self, known: _Workload) -> bool:
        if _has_ended(known):
            return False
        return not known.jobs or all(job.has_ended and _ran(job) >= _least(known, job) for job in known.jobs)

    def _view(self, name: str) -> FolderView:
        folder, stop = self._shared.workload(name), self._shared.workload(name).stop()
        members = len(self.asked(name)) or 1
        endings = tuple(folder.endings(members))
        return FolderView(
            endings,
            stop_asked=stop is not None and stop.why == "stop",
            all_ended=len(endings) == members,
            began=folder.has_begun(),
            waited_seconds=folder.waited_seconds(),
            given_up=folder.given_up(),
            last_words="" if endings else folder.last_words(),
        )

    def _recall_stop(self, name: str, known: _Workload) -> None:
        """Also of a stop that an earlier bridge asked for."""
        if not known.stop_read:
            known.stop_read = True
            stop = self._shared.workload(name).stop()
            if stop is not None and stop.why == "stop":
                known.stop_by = stop.moment + stop.seconds

    def _press(self, known: _Workload, job: SlurmJob) -> None:
        """Whoever outlasts his grace is ended by Slurm; whoever waits still is taken out of its queue."""
        if known.stop_by is None:
            return
        if job.state == "PENDING" or time.time() > known.stop_by + MARGIN_SECONDS:
            with contextlib.suppress(SlurmRefusedError):
                self._client.cancel(job.job_id)

    def _give_up(self, name: str, known: _Workload, job: SlurmJob) -> None:
        """Others may have room for what waits for nodes that were drained or went down; its end says so."""
        if job.state != "PENDING" or not reasons.node_is_away(job.reason, job.description) or known.stop_by is not None:
            known.away_since = None
            return
        known.away_since = known.away_since or time.monotonic()
        if time.monotonic() - known.away_since > AWAY_SECONDS:
            self._shared.workload(name).write("given_up", observing.active(job).message)
            with contextlib.suppress(SlurmRefusedError):
                self._client.cancel(job.job_id)

    def _kill(self, name: str) -> None:
        """By what Slurm says now: a controller that lost its last seconds gives the same numbers to others."""
        for job in self._client.jobs():
            if job.name == name and observing.may_end(job):
                self._client.cancel(job.job_id)


def _by_hand(known: _Workload, job: SlurmJob) -> bool:
    """Cancelled, and not by us: by whom only the accounts say."""
    return job.state == "CANCELLED" and known.stop_by is None


def _least(known: _Workload, job: SlurmJob) -> float:
    return 0.0 if _by_hand(known, job) else TOO_SHORT_SECONDS


def _ran(job: SlurmJob) -> float:
    return (job.end or 0.0) - (job.start or job.end or 0.0)


def _has_ended(known: _Workload) -> bool:
    return known.last is not None and known.last.phase == Phase.ENDED
