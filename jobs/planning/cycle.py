"""One scheduling cycle: snapshot, plan, commit what was planned, publish after the commit."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from types import MappingProxyType

from django.conf import settings
from django.contrib.postgres.aggregates import ArrayAgg
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from jobs.costs import settlement
from jobs.messages import placement_messages, publishing
from jobs.messages.publishing import PlacementMessage
from jobs.models import Attempt, Cycle, GpuHold, Job, Placement
from jobs.planning import (
    dead_dependencies,
    decisions,
    gc_pause,
    memory_defaults,
    moves,
    preemption,
    rebalancing,
    rendezvous_ports,
    saved_work,
)
from jobs.planning.floor import floor_shadow
from jobs.planning.snapshot import take_snapshot
from jobs.state import alerts, transitions
from jobs.state.progress_clock import CLOCK_ANEW
from jobs.state.transitions import Transition
from jobs.usage import job_counts
from jobs.usage.counted_events import CYCLE, DECISIONS
from jobs.usage.job_counts import Count
from quotas.budgets.setting import BUDGETS_LOCK
from quotas.costs.prices import ANY_PRICE
from scheduling.lifecycle import JobState
from scheduling.planning.plan import Plan, PlannedJob, make_plan
from scheduling.reasons import listed
from scheduling.snapshot import Snapshot
from workers.models import Node

log = logging.getLogger(__name__)
Reasons = list[dict[str, object]]
PLANNER_LOCK = 0x7472_6169  # "trai": one planner at a time, in whatever process
TURN = "SELECT pg_advisory_xact_lock(%s), pg_advisory_xact_lock_shared(%s)"


@dataclass(frozen=True, slots=True)
class CycleResult:
    """What one cycle did."""

    placed: int
    waiting: int
    duration_ms: float


class SingleFlight:
    """Lets many askers share one run: whoever asked before a run began is served by it.

    Nobody waits: who asks while a run is under way leaves a note and goes, and the runner runs again. A run costs three
    times as long as it takes, at most `PAUSE_SECONDS` more: while `CREDIT_SECONDS` are not used up, the next one comes at
    once, then after a pause. So bursts of requests (a thousand jobs that end at once) cost a few cycles, not a thousand,
    and never fill the worker's threads; who submits one job after the other waits for no pause.
    """

    PAUSE_SECONDS = 0.1
    CREDIT_SECONDS = 0.5

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._wanted = False
        self._running = False
        self._paid_at = -inf  # when what all runs until now have cost is paid for

    def run(self, cycle: Callable[[], object]) -> None:
        """Run `cycle` now, or have it run by whoever is running it."""
        with self._lock:
            self._wanted = True
            if self._running:
                return
            self._running = True
        try:
            while self._is_wanted():
                self._pause()
                self._run(cycle)
        except BaseException:
            self._running = False
            raise

    def _pause(self) -> None:
        early = self._paid_at - self.CREDIT_SECONDS - self._clock()
        if early > 0:
            self._sleep(min(early, self.PAUSE_SECONDS))

    def _run(self, cycle: Callable[[], object]) -> None:
        self._wanted = False  # who asks from now on asks for the next one
        began = self._clock()
        cycle()
        took = self._clock() - began
        self._paid_at = max(self._paid_at, began) + took + min(2 * took, self.PAUSE_SECONDS)

    def _is_wanted(self) -> bool:
        """Whether somebody has asked since the last run began; if not, the running is over."""
        with self._lock:
            self._running = self._wanted
            return self._wanted


combiner = SingleFlight()


def run_cycle() -> CycleResult:
    """Plan once and commit the plan; the nodes concerned are told after the commit. One planner at a time.

    Jobs that were seen to wait in vain for what they depend on end after it, in transactions of their own.
    """
    started, began = time.perf_counter(), time.time()
    moves.follow()  # what is kept for a job that moves is given up before it is planned with
    with gc_pause.paused(), transaction.atomic():
        # 1. One planner, before anything is read: whoever comes second sees what the first one has placed, and does not
        # give the same room away again. The lock goes with the transaction, also when the process dies. Nor does anybody
        # lower a budget by which this plan is made, before the plan is committed.
        _wait_for_turn()
        # 2. The picture. No row is locked: to lock all jobs would stop the platform for as long as a plan takes.
        if floor_shadow.is_kept():
            saved_work.note()  # only now is it known of which attempt a job's last checkpoint is
        snapshot = take_snapshot()
        if memory_defaults.fill(snapshot):  # what has no memory on record would be planned as if it needed none
            snapshot = take_snapshot()
        # 3. Decide, by the picture and its moment alone.
        plan = make_plan(snapshot, snapshot.taken_at)
        # 4. Place. The picture has aged meanwhile: each job is locked and moves only if it still waits.
        doorbells = _commit_placements(plan.placements, snapshot.rules.placement, revisions_of(snapshot))
        # 5. Have others give way. Steps 5 and 6 lock jobs beside those that are locked already, in no order with them: so
        # they skip what somebody else holds, and never wait in a circle.
        told = preemption.request(plan.preemptions)
        rebalancing.consider(snapshot, plan)
        floor_shadow.save(snapshot, plan)
        # 6. Say why the others wait.
        _write_reasons(plan)
        # 7. The cycle's own row: last, so that its duration is that of all the work.
        result = CycleResult(len(doorbells), len(plan.waits), (time.perf_counter() - started) * 1000)
        _write_cycle(plan, result, snapshot.rules.placement)
        job_counts.add(_counted(result, told))
        # 8. Tell the nodes once it is committed: an agent that came earlier would find no placement to claim.
        publishing.request_placements(doorbells, planned_since=began)
    # 9. Apart from the plan: while thousands of dependents end, the next planner must not wait for its turn.
    if any(job.broken for job in snapshot.waiting):
        dead_dependencies.cancel_dead()
    return result


def _counted(result: CycleResult, told: int) -> list[Count]:
    decided = (("place", result.placed), ("preempt", told))
    kept = [Count(DECISIONS, decision, inf, number, 0.0) for decision, number in decided if number]
    return [job_counts.observed(CYCLE, result.duration_ms / 1000), *kept]


def _wait_for_turn() -> None:
    with connection.cursor() as cursor:
        cursor.execute(TURN, [PLANNER_LOCK, BUDGETS_LOCK])


def _commit_placements(
    placements: Sequence[PlannedJob], strategy: str, revisions: Mapping[int, int] = MappingProxyType({})
) -> list[PlacementMessage]:
    """Write the placements of those jobs that still wait, and ask for what they were planned by; the others are left to the next cycle."""
    if not placements:
        return []
    names = {share.node for planned in placements for share in planned.shares}
    nodes = {
        node.name: node
        for node in Node.objects.filter(name__in=names).select_related("cluster").annotate(priced=ANY_PRICE)
    }
    moved = transitions.apply(
        [
            _queue_transition(planned, nodes[planned.shares[0].node], revisions.get(planned.job_id, 0))
            for planned in placements
        ]
    )
    kept = [planned for planned in placements if planned.job_id in moved]
    given = rendezvous_ports.of(
        (planned.job_id, moved[planned.job_id].attempt, nodes[planned.shares[0].node], len(planned.shares) > 1)
        for planned in kept
    )
    attempts = Attempt.objects.bulk_create(
        Attempt(
            job_id=planned.job_id,
            number=moved[planned.job_id].attempt,
            master_port=given[planned.job_id],
            decision=decisions.as_data(planned, strategy),
        )
        for planned in kept
    )
    rows = Placement.objects.bulk_create(
        Placement(
            attempt=attempt,
            node=nodes[share.node],
            rank=share.rank,
            cpus=share.amount.cpus,
            memory_mb=share.amount.memory_mb,
            gpu_indices=list(share.gpu_indices),
        )
        for attempt, planned in zip(attempts, kept, strict=True)
        for share in planned.shares
    )
    # One row for each GPU, and the database takes no second one for the same: were a plan ever wrong, its commit fails.
    GpuHold.objects.bulk_create(
        GpuHold(placement=row, node_id=row.node_id, index=index) for row in rows for index in row.gpu_indices
    )
    if any(node.priced for node in nodes.values()):
        settlement.hold([row.pk for row in rows])
    return placement_messages.placement_messages(rows)


def revisions_of(snapshot: Snapshot) -> dict[int, int]:
    """Of the waiting jobs that were changed since they were submitted."""
    return {job.id: job.revision for job in snapshot.waiting if job.revision}


def _queue_transition(planned: PlannedJob, node: Node, revision: int) -> Transition:
    """The node that a job is on is that of its rank 0."""
    first, *others = planned.shares
    names = listed(share.node for share in planned.shares)
    return Transition(
        job_id=planned.job_id,
        to=JobState.QUEUED,
        kind="queued",
        expected=frozenset({JobState.PENDING}),
        next_attempt=True,
        unless_held=True,
        revision=revision,
        changes={
            "node_id": node.pk,
            "queued_at": Now(),
            "reasons": [],
            "desired": "",
            "promised": False,  # the room that was made for it is used up
            "floor_start": None,
            "not_before": None,
            "suspended_at": None,
            "suspended_seconds": 0.0,
            "progress": None,
            "said_done": False,
            "progress_at": CLOCK_ANEW,
        },
        message=f"Placed on {names}.",
        data={
            "node": node.name,
            "gpu_indices": list(first.gpu_indices),
            **({"nodes": [share.node for share in planned.shares]} if others else {}),
        },
    )


def _write_reasons(plan: Plan) -> None:
    """Write the reasons that changed: one statement for all jobs that now wait for the same ones.

    A job that somebody holds locked is skipped, never waited for: the next cycle writes its reasons.
    """
    if not plan.waits:
        return
    known = _recorded_reasons()
    differ = refresh.differs()
    for data, job_ids in _grouped(plan).values():
        stale = [job_id for job_id in job_ids if differ(known.get(job_id, []), data)]
        if stale:
            # In the order of ids, like everybody; and with no key: events of these jobs can be written meanwhile.
            rows = Job.objects.filter(pk__in=stale, state=JobState.PENDING).order_by("pk")
            locked = rows.select_for_update(skip_locked=True, no_key=True).values("pk")
            Job.objects.filter(pk__in=locked).update(reasons=data)


class ReasonThrottle:
    """When the numbers in reasons are written again.

    Other reasons are written at once. The same ones with other numbers (how much is free, and who holds it, changes
    with every job that ends) are written once in `CYCLE_SECONDS`: otherwise a busy platform would spend most of its
    writes on them.
    """

    def __init__(self) -> None:
        self._next = 0.0

    def differs(self) -> Callable[[Reasons, Reasons], bool]:
        """Whether reasons on record are to be replaced by these, in the cycle that asks."""
        now = time.monotonic()
        if now < self._next:
            return lambda old, new: _codes(old) != _codes(new)
        self._next = now + settings.CYCLE_SECONDS
        return lambda old, new: old != new


refresh = ReasonThrottle()


def _codes(reasons: Reasons) -> list[object]:
    return [reason["code"] for reason in reasons]


def _recorded_reasons() -> dict[int, Reasons]:
    """The reasons on record of every waiting job; many share the same ones, so they travel once."""
    rows = Job.objects.filter(state=JobState.PENDING).order_by().values_list("reasons").annotate(ids=ArrayAgg("pk"))
    return {job_id: reasons for reasons, job_ids in rows for job_id in job_ids}


def _grouped(plan: Plan) -> dict[str, tuple[Reasons, list[int]]]:
    """The waiting jobs by what they wait for. The planner shares reasons between jobs: each is written out once."""
    keys: dict[tuple[int, ...], str] = {}
    groups: dict[str, tuple[Reasons, list[int]]] = {}
    for wait in plan.waits:
        identity = tuple(map(id, wait.reasons))
        if identity not in keys:
            keys[identity] = repr(wait.reasons)
            groups.setdefault(keys[identity], ([reason.as_data() for reason in wait.reasons], []))
        groups[keys[identity]][1].append(wait.job_id)
    return groups


def _write_cycle(plan: Plan, result: CycleResult, strategy: str) -> None:
    by = {"picked": decisions.picked(plan.placements, strategy)} if plan.placements else {}
    Cycle.objects.filter(pk=1).update(
        **by,
        started_at=Now(),
        duration_ms=result.duration_ms,
        count=F("count") + 1,
        placed=result.placed,
        placed_total=F("placed_total") + result.placed,
        total_ms=F("total_ms") + result.duration_ms,
        waiting=result.waiting,
        line=list(plan.eligible),
        alerts=alerts.publish([*plan.alerts, *alerts.of_nodes()]),
        longest_wait=plan.longest_wait.seconds,
        longest_wait_at=plan.longest_wait.at,
    )
