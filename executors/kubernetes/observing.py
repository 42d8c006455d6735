"""Members put together: a workload as the bridge sees it. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from clusters.kubernetes.connection import JsonObject
from executors.engine import Observed, Phase
from executors.kubernetes import pods
from executors.kubernetes.ends import Member, Patience, Seen, member
from executors.kubernetes.manifest import MEMBERS, job_name
from scheduling.lifecycle import EndReason

HALF_SECONDS = 120.0
"""How long a gang of which only some Jobs were made is taken for one that is being made."""


@dataclass(slots=True)
class Parts:
    """What of a picture is one workload's."""

    jobs: dict[str, JsonObject] = field(default_factory=dict)
    gone_jobs: dict[str, JsonObject] = field(default_factory=dict)
    pods: list[JsonObject] = field(default_factory=list)
    gone_pods: list[JsonObject] = field(default_factory=list)

    @property
    def all_jobs(self) -> dict[str, JsonObject]:
        return {**self.gone_jobs, **self.jobs}


Objects = Mapping[str, JsonObject]


def parts(jobs: tuple[Objects, Objects], its_pods: tuple[Objects, Objects]) -> dict[str, Parts]:
    """By workload: of Jobs and of pods what is there, and what went."""
    found: dict[str, Parts] = defaultdict(Parts)
    for name, job in jobs[0].items():
        found[pods.workload_of(job)].jobs[name] = job
    for name, job in jobs[1].items():
        found[pods.workload_of(job)].gone_jobs[name] = job
    for pod in its_pods[0].values():
        found[pods.workload_of(pod)].pods.append(pod)
    for pod in its_pods[1].values():
        found[pods.workload_of(pod)].gone_pods.append(pod)
    return dict(found)


def observed(
    known: Mapping[str, Parts], refusals: Mapping[str, str], *, now: float, patience: Patience
) -> dict[str, Observed]:
    """Every workload of which anything is known; `refusals` are by the names of Jobs."""
    found = {name: _one(name, its, refusals, now=now, patience=patience) for name, its in known.items()}
    return {name: one for name, one in found.items() if one is not None}


def _one(name: str, its: Parts, refusals: Mapping[str, str], *, now: float, patience: Patience) -> Observed | None:
    jobs = its.all_jobs
    if name not in jobs:
        return _half(name, its, now=now)
    count = int(pods.annotation(jobs[name], MEMBERS) or 1)
    together = jobs[name]["spec"].get("completionMode") == "Indexed"
    members = []
    for rank in range(count):
        its_job = name if together else job_name(name, rank)
        pod = first_pod([*its.gone_pods, *its.pods], rank)
        seen = Seen(
            jobs.get(its_job), pod, pod_gone=pod is not None and pod not in its.pods,
            job_gone=its_job not in its.jobs, refusal=refusals.get(its_job, ""),
        )  # fmt: skip
        members.append(member(seen, now=now, patience=patience))
    return _together(name, members, stop_asked=any(pods.stop_by(job) is not None for job in jobs.values()))


def _half(name: str, its: Parts, *, now: float) -> Observed | None:
    """Without the Job of rank 0, which is made last, a gang is not there yet: whoever started it starts it again."""
    if not its.jobs:
        return None  # pods that outlive their Job, which was forgotten or deleted before this process saw it
    if now - min(map(pods.created, its.jobs.values())) < HALF_SECONDS:
        return None
    words = f"Only {len(its.jobs)} of its Jobs are there."
    return Observed(name, Phase.ENDED, reason=EndReason.PLATFORM_ERROR, message=words, charged=False)


def first_pod(known: Iterable[JsonObject], rank: int) -> JsonObject | None:
    """The one that ran the member, of those that went and then those that are there.

    Older servers replace a pod that was deleted, perhaps within the same second, but an attempt has one life.
    """
    own = [pod for pod in known if pods.rank_of(pod) == rank]
    return min(own, key=lambda pod: (pods.created(pod), not pods.is_leaving(pod)), default=None)


def _together(name: str, members: Sequence[Member], *, stop_asked: bool) -> Observed:
    """As one: it runs as soon as one does, and has failed as soon as one has; who was asked to stop is over with the last."""
    started = [one.started_at for one in members if one.started_at is not None]
    ended = [one for one in members if one.phase is Phase.ENDED]
    failed = [one for one in ended if one.reason is not EndReason.COMPLETED]
    started_at = min(started, default=None)
    if len(ended) == len(members) or (failed and not stop_asked):
        decisive = min(failed or ended, key=_how_decisive)
        ended_at = max((one.ended_at for one in ended if one.ended_at is not None), default=None)
        return Observed(
            name, Phase.ENDED, started_at, ended_at, decisive.reason, decisive.exit_code, _named(decisive, members),
            rank=members.index(decisive), charged=decisive.charged, stop_asked=stop_asked,
        )  # fmt: skip
    phase = Phase.RUNNING if started else Phase.WAITING
    unrest = next((one for one in members if one.message), None)
    message = _named(unrest, members) if unrest is not None else ""
    return Observed(name, phase, started_at, message=message, stop_asked=stop_asked)


def _how_decisive(one: Member) -> tuple[bool, float]:
    """Which end explains the others: a command's own before what was done to it, the earlier first."""
    return not one.charged, one.ended_at if one.ended_at is not None else float("inf")


def _named(one: Member, members: Sequence[Member]) -> str:
    if not one.message or len(members) == 1:
        return one.message
    return f"Rank {members.index(one)}: {one.message}"
