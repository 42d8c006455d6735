"""What part of the platform belongs to a project, and how far it is above or below it."""

from collections.abc import Iterable

from scheduling.resources import Resources, total
from scheduling.sharing.quotas import usage_by_project
from scheduling.snapshot import RunningJob, Snapshot, WaitingJob, chain_of


class FairShares:
    """Who holds more than their share of the nodes that are there, and who less.

    A project is entitled to its parent's part times its weight over the weights of its siblings; those on top share
    the whole platform. Shares are of GPUs for jobs with GPUs, and of CPUs for the others.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._projects = {one.slug: one for one in snapshot.projects}
        self._known_branches: dict[tuple[str, str], tuple[str | None, str | None]] = {}
        self._weights: dict[str | None, float] = {}
        for one in snapshot.projects:
            self._weights[one.parent] = self._weights.get(one.parent, 0.0) + one.weight
        self._whole = total(node.amount for node in snapshot.nodes if node.state != "down")
        usage = usage_by_project(snapshot.running, self._projects)
        self._held = {slug: used.amount for slug, used in usage.items()}

    def part(self, slug: str) -> float:
        """The part of the platform that belongs to the project, from 0 to 1."""
        part = 1.0
        for one in chain_of(slug, self._projects):
            weights = self._weights[one.parent]
            part *= one.weight / weights if weights > 0 else 0.0
        return part

    def surplus(self, slug: str) -> float:
        """By how many GPUs the project and all below it are above their share; negative below it."""
        return self._held.get(slug, Resources()).gpus - self.part(slug) * self._whole.gpus

    def may_reclaim(self, job: WaitingJob, victim: RunningJob) -> bool:
        """Whether the job's project stays within its share with the job, and the victim's at or above its own without.

        Held against each other are the two projects below the point where their branches meet.
        """
        name = "gpus" if job.request.gpus else "cpus"
        return self._has_borrowed(job, victim.project, sum(getattr(share.amount, name) for share in victim.shares))

    def could_reclaim(self, job: WaitingJob, slug: str) -> bool:
        """Whether it may reclaim anything from the project, were it small enough."""
        return self._has_borrowed(job, slug, 0)

    def _has_borrowed(self, job: WaitingJob, slug: str, amount: int) -> bool:
        ours, theirs = self._branches(job.project, slug)
        if ours is None or theirs is None:
            return False
        name = "gpus" if job.request.gpus else "cpus"
        whole = getattr(self._whole, name)
        with_job = self._of(ours, name) + getattr(job.request.total, name)
        without = self._of(theirs, name) - amount
        return bool(with_job <= self.part(ours) * whole and without >= self.part(theirs) * whole)

    def moved(self, job: WaitingJob, victims: Iterable[RunningJob]) -> None:
        """The job will hold what it asks for, and the victims nothing."""
        self._add(job.project, job.request.total)
        for victim in victims:
            self._add(victim.project, total(share.amount for share in victim.shares) * -1)

    def _of(self, slug: str, name: str) -> float:
        return float(getattr(self._held.get(slug, Resources()), name))

    def _add(self, slug: str, amount: Resources) -> None:
        for one in chain_of(slug, self._projects):
            self._held[one.slug] = self._held.get(one.slug, Resources()) + amount

    def _branches(self, ours: str, theirs: str) -> tuple[str | None, str | None]:
        """The uppermost ancestors, the projects themselves included, that the two do not share."""
        found = self._known_branches.get((ours, theirs))
        if found is None:
            chain, other = (
                [one.slug for one in reversed(tuple(chain_of(slug, self._projects)))] for slug in (ours, theirs)
            )
            found = self._known_branches[ours, theirs] = (
                next((slug for slug in chain if slug not in other), None),
                next((slug for slug in other if slug not in chain), None),
            )
        return found
