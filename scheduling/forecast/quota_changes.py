"""How much more the quotas that refuse a job would have to allow for it to start now: tried on the plan of all that wait."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import takewhile

from scheduling import gpu_hours, memory_units
from scheduling.forecast.rollout import carried_out
from scheduling.forecast.whatif import Change
from scheduling.gpu_hours import LEAST_SECONDS
from scheduling.plan_result import Plan
from scheduling.planning.plan import starts_now
from scheduling.reasons import ReasonCode, listed, number, quantity
from scheduling.sharing.ahead.meter import NAME, in_seconds, most_of, needed
from scheduling.sharing.ahead.room import AheadRoom
from scheduling.sharing.associations import Association, Associations
from scheduling.sharing.cohorts import RESOURCES, Cohorts
from scheduling.sharing.ledger import Cells, Ledger
from scheduling.sharing.quota_refusals import cohort_refusals
from scheduling.sharing.quotas import NOTHING_USED, Usage, ceilings, enforced, usage_by_project
from scheduling.snapshot import Limits, ProjectView, Snapshot, WaitingJob, chain_of

QUOTA, BORROWING = "quota", "borrowing_limits"
BESIDE_ROOM = frozenset({ReasonCode.QUOTA, ReasonCode.AHEAD})
COUNTED = ("gpus", "cpus", "memory_mb", "running_jobs")
NAMES = (*COUNTED, NAME)
Raised = Mapping[str, Limits]


def raised_quotas(snapshot: Snapshot, now: float, job: WaitingJob, plan: Plan) -> tuple[Change, ...]:
    """The smallest raise of the quotas on the job's way up that would start it now, if they are what keeps it.

    Who stands before it in the same quotas gets of the raise first, so it may have to be enough for them too.
    """
    reasons = {wait.job_id: {reason.code for reason in wait.reasons} for wait in plan.waits}
    by_quota = {job_id for job_id, codes in reasons.items() if ReasonCode.QUOTA in codes and codes <= BESIDE_ROOM}
    if job.id not in by_quota:
        return ()
    waiting = {one.id: one for one in snapshot.waiting}
    before = takewhile(lambda job_id: job_id != job.id, plan.line)
    raises = _Raises(carried_out(snapshot, plan, now), now, job, [waiting[one] for one in before if one in by_quota])

    def is_enough(others: int) -> bool:
        changed = replace(snapshot, projects=raises.applied(raises.for_these_and(others)))
        return starts_now(changed, now, job.id)

    most = len(raises.before)
    offers = []
    for kind in (QUOTA, BORROWING) if raises.shared else (QUOTA,):
        raises.kind = kind
        if raises.for_these_and(most) and is_enough(most):
            others = bisect_left(range(most), True, key=is_enough)
            offers.append(_told((*raises.chain, *raises.users), raises.for_these_and(others), kind))
    return tuple(offers)


class _Raises:
    """What the quotas in the job's chain would have to allow for it and the first so many of those before it.

    `kind` says what is raised: what each has of its own, or what it may borrow.
    """

    def __init__(self, after: Snapshot, now: float, job: WaitingJob, before: Sequence[WaitingJob]) -> None:
        projects = {one.slug: one for one in after.projects}
        self.kind = QUOTA
        self.chain = [one for one in chain_of(job.project, projects) if enforced(one)]
        self._job = job
        self.shared = Cohorts.of(after.projects) is not None  # else nobody thinks of borrowing
        self._firm = self.shared and not job.preemptible
        self._all = after.projects
        self._running = after.running
        self._ahead = AheadRoom.of(after, now)
        by_user = Associations.of_snapshot(after)
        self.users = [one for one in by_user.of(job) if isinstance(one, Association) and one.project]
        self._usage = usage_by_project(after.running, projects) | by_user.usage(after.running)
        slugs = {one.slug for one in (*self.chain, *self.users)}
        self._above = {
            one.id: {up.slug for up in (*chain_of(one.project, projects), *by_user.of(one))} & slugs for one in before
        }
        self.before = [one for one in before if self._above[one.id]]

    def for_these_and(self, others: int) -> Raised:
        """The limits that change, by project."""
        raised = {}
        for project in (*self.chain, *self.users):
            added = NOTHING_USED.plus_job(self._job.request.total)
            for one in self.before[:others]:
                if project.slug in self._above[one.id]:
                    added = added.plus_job(one.request.total)
            limits, used = ceilings(project, firm=self._firm), self._usage.get(project.slug, NOTHING_USED)
            short = {} if limits is None else _short(limits, used, added) | self._short_ahead(project, others)
            if short:
                raised[project.slug] = self._raised(project, short)
        return self._with_cohorts(raised)

    def _short_ahead(self, project: ProjectView, others: int) -> dict[str, int]:
        """GPU time ahead, in whole hundredths of an hour; a job without a limit needs one, whatever is allowed."""
        most = most_of(project.limits)
        if most is None or self._ahead is None or not self._job.request.gpus or not self._job.max_runtime_seconds:
            return {}
        with_it = [self._job, *(one for one in self.before[:others] if project.slug in self._above[one.id])]
        asked = sum(needed(one.request.total.all_gpu_milli, one.max_runtime_seconds or 0) for one in with_it)
        together = self._ahead.taken(project.slug) + asked
        enough = -(-in_seconds(together) // LEAST_SECONDS) * LEAST_SECONDS
        return {NAME: enough - in_seconds(most)} if together > most else {}

    def _raised(self, project: ProjectView, short: Mapping[str, int]) -> Limits:
        limits = project.limits or Limits()
        if self.kind == QUOTA:
            more = {name: getattr(limits, name) + missing for name, missing in short.items()}
            return replace(limits, **more)
        loans = {name: (getattr(limits.borrowing, name) or 0) + short[name] for name in RESOURCES if name in short}
        return replace(limits, borrowing=limits.borrowing._replace(**loans))

    def _with_cohorts(self, raised: dict[str, Limits]) -> Raised:
        """The same with what cohorts lack besides, as each project below them has more of its own then."""
        cohorts = Cohorts.of(self.applied(raised)) if self.kind == QUOTA else None
        if cohorts is None or not self.chain:
            return raised
        asked, usage = self._job.request, Ledger.of(Cells(cohorts.tree), self._running)
        for project in self.chain:
            refused = cohort_refusals(asked, project.slug, cohorts, usage, firm=self._firm)
            short = {name: amount for reason in refused for name, amount in reason.shortfall.items()}
            mine = {name: amount for name, amount in short.items() if getattr(project.limits, name) is not None}
            if mine:
                changed = replace(project, limits=raised.get(project.slug, project.limits))
                return {**raised, project.slug: self._raised(changed, mine)}
        return raised

    def applied(self, raised: Raised) -> tuple[ProjectView, ...]:
        of_users = {one.project: raised[one.slug] for one in self.users if one.slug in raised}
        return tuple(_changed(one, raised.get(one.slug, one.limits), of_users.get(one.slug)) for one in self._all)


def _changed(project: ProjectView, limits: Limits | None, each_user: Limits | None) -> ProjectView:
    if limits is not None and each_user is not None:
        limits = replace(limits, each_user=each_user)
    return replace(project, limits=limits)


def _short(limits: Limits, used: Usage, added: Usage) -> dict[str, int]:
    """By how much limits are too small for what is added. What nothing is added to may be over."""
    found = {}
    for name in COUNTED:
        limit, more = getattr(limits, name), _of(added, name)
        if limit is not None and more and _of(used, name) + more > limit:
            found[name] = _of(used, name) + more - limit
    return found


def _of(usage: Usage, name: str) -> int:
    return usage.running_jobs if name == "running_jobs" else int(getattr(usage.amount, name))


def _told(chain: Sequence[ProjectView], raised: Raised, kind: str) -> Change:
    """For example: "If the quota of project vision allowed 10 GPUs instead of 8, it would start now."."""
    before: dict[str, dict[str, float]] = {}
    after: dict[str, dict[str, float]] = {}
    parts: list[str] = []
    for project in chain:
        old, new = _amounts(project.limits, kind), _amounts(raised.get(project.slug), kind)
        names = [name for name in NAMES if new and old.get(name, 0) != new.get(name, 0)]
        if not names:
            continue
        slug, of = (project.project, "user_") if isinstance(project, Association) else (project.slug, "")
        before.setdefault(slug, {}).update(_as_data(old, names, of))
        after.setdefault(slug, {}).update(_as_data(new, names, of))
        amounts = listed(f"{quantity(n, new[n])} instead of {number(n, old.get(n, 0))}" for n in names)
        parts.append(_allowing(slug, f"a user {amounts}" if of else amounts, kind, first=not parts))
    return Change(kind, before, after, f"If {listed(parts)}, it would start now.")


def _allowing(slug: str, amounts: str, kind: str, *, first: bool) -> str:
    if kind == BORROWING:
        return f"project {slug} might borrow {amounts}"
    return f"{'the quota' if first else 'that'} of project {slug} allowed {amounts}"


def _amounts(limits: Limits | None, kind: str) -> dict[str, int]:
    of: object = limits.borrowing if limits is not None and kind == BORROWING else limits
    return {name: amount for name in NAMES if (amount := getattr(of, name, None)) is not None}


def _as_data(amounts: Mapping[str, int], names: Sequence[str], of: str) -> dict[str, float]:
    """In the words and units of the REST contract; `of` stands before those of a user's limits."""
    return {of + told: amount for name in names for told, amount in [_as_told(name, amounts.get(name, 0))]}


def _as_told(name: str, amount: int) -> tuple[str, float]:
    if name == NAME:
        return "gpu_hours_ahead", gpu_hours.hours(amount)
    return ("memory_gb", memory_units.gigabytes(amount)) if name == "memory_mb" else (name, amount)
