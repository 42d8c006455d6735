"""The protocol of placements, claims, leases and ends, in whatever order its steps come, on the real tables.

TRAINYARD_TEST_PROFILE=slow looks further, and elsewhere each time.
"""

import os
from collections import Counter, defaultdict
from contextlib import suppress
from itertools import product

import hypothesis.strategies as st
import pytest
from django.conf import settings as django_settings
from django.db import connection, transaction
from django.db.models import Sum
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from jobs.attempts import claims, completion
from jobs.control import actions
from jobs.messages import publishing
from jobs.models import Attempt, GpuHold, Job, JobEvent, Placement
from jobs.planning import preemption
from jobs.recovery import clock_guard, sweep
from jobs.reports import quota_usage
from jobs.state.outcome import PlacementOutcome, PlacementRef
from jobs.submission.job_spec import JobSpec
from jobs.submission.submit import submit
from scheduling.errors import ConflictError
from scheduling.lifecycle import PLACED_STATES, TERMINAL_STATES, EndReason, JobState, may_move
from scheduling.plan_result import PlannedPreemption
from tests.changing import change
from tests.jobs.protocol_yard import HARDWARE, QUOTA, Yard, let_time_pass
from workers import heartbeats
from workers.models import Node

SLOW = os.environ.get("TRAINYARD_TEST_PROFILE") == "slow"
BOUNDS = settings(
    max_examples=400 if SLOW else 6,
    stateful_step_count=60 if SLOW else 25,
    derandomize=not SLOW,
    print_blob=SLOW,
    phases=[Phase.generate, *([Phase.shrink] if SLOW else [])],
    suppress_health_check=list(HealthCheck),
)
HOUR = 3_600
MOST_JOBS = 7
ROUNDS = 60
ENDS = st.sampled_from(
    [
        (EndReason.COMPLETED, 0),
        (EndReason.COMPLETED, 0),
        (EndReason.EXIT_CODE, 1),
        (EndReason.LOST_LEASE, 137),
        (EndReason.START_FAILED, None),
    ]
)
VERBS = [actions.cancel, actions.requeue, actions.pause, actions.suspend, actions.resume, actions.hold, actions.release]
ANY = st.integers(0, 1_000)
NODE = st.integers(0, 1)
REQUESTS = st.fixed_dictionaries(
    {
        "nodes": st.sampled_from([1, 1, 1, 2]),
        "cpus": st.integers(1, 2),
        "gpus": st.sampled_from([0, 1, 1, 2]),
        "max_retries": st.integers(0, 2),
        "priority": st.sampled_from([10, 50, 90]),
    }
).filter(lambda request: request["nodes"] * request["gpus"] <= QUOTA["gpus"])


class Protocol(RuleBasedStateMachine):
    """Each rule is one step that somebody may take at any time; each invariant holds after every one of them."""

    def __init__(self):
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.undone = transaction.atomic()
        self.undone.__enter__()
        self.patch.setattr(clock_guard, "leases_may_expire", lambda: True)
        for name in ("LEASE_SECONDS", "REPUBLISH_SECONDS", "GANG_START_SECONDS"):
            self.patch.setattr(django_settings, name, HOUR)  # only `time_passes` makes time pass
        self.yard = Yard()
        self.patch.setattr(publishing, "request_placements", lambda sent, **_: self.yard.messages.extend(sent))

    def teardown(self):
        try:
            self.everything_ends()
        finally:
            transaction.set_rollback(True)
            self.undone.__exit__(None, None, None)
            self.patch.undo()

    # Users

    @initialize(wanted=st.lists(REQUESTS, min_size=2, max_size=5))
    def work_is_there(self, wanted):
        for request in wanted:
            self.submit(request)
        self.plan()

    @rule(request=REQUESTS)
    def submit(self, request):
        if Job.objects.count() < MOST_JOBS:
            spec = JobSpec(
                name="job", project=self.yard.project.slug, command=("true",), checkpointable=True, **request
            )
            submit(specs=[spec], owner=self.yard.owner)

    @rule(which=ANY, verb=st.sampled_from(VERBS))
    def ask(self, which, verb):
        """Of a job in whatever state; what is refused changes nothing."""
        for job in self.some_job(which):
            with suppress(ConflictError):
                verb(job_id=job.pk, actor="ann")

    @rule(which=ANY, priority=st.integers(0, 100))
    def change(self, which, priority):
        for job in self.some_job(which):
            with suppress(ConflictError):
                change(job_id=job.pk, actor="ann", priority=priority)

    # The platform

    @rule()
    def plan(self):
        self.yard.plan()
        unexplained = Job.objects.filter(state=JobState.PENDING, reasons=[])
        assert not unexplained.exists(), "a job waits without a reason"
        used = quota_usage.standing_now().usage[self.yard.project.slug]
        held = Placement.objects.filter(closed_at__isnull=True).aggregate(cpus=Sum("cpus"))
        assert used["cpus"] == (held["cpus"] or 0), "usage is not the sum over what is placed"
        assert used["gpus"] == GpuHold.objects.count()

    @rule()
    def recover(self):
        sweep.recover()

    @rule()
    def time_passes(self):
        let_time_pass()

    @rule(victim=ANY, winner=ANY)
    def preempt(self, victim, winner):
        running = list(Job.objects.filter(state=JobState.RUNNING).order_by("pk"))
        waiting = list(Job.objects.filter(state=JobState.PENDING).order_by("pk"))
        if running and waiting:
            pair = running[victim % len(running)], waiting[winner % len(waiting)]
            preemption.request([PlannedPreemption(pair[0].pk, pair[1].pk, "priority", 1.0)])

    # Messages

    @rule(which=ANY, keep=st.booleans(), astray=st.booleans())
    def deliver(self, which, keep, astray):
        """To its node or to another one; kept, it comes again, however late."""
        messages = self.yard.messages
        for message in one_of(messages, which):
            if not keep:
                messages.remove(message)
            self.hand_over(message, astray=astray)

    @rule(lost=st.booleans())
    def deliver_the_rest(self, lost):
        """All to their nodes, the last one perhaps never."""
        for message in self.yard.messages[: -1 if lost else None]:
            self.hand_over(message)
        self.yard.messages.clear()

    def hand_over(self, message, *, astray=False):
        own = message.route.queue.rpartition(".")[2]
        machine = next(one for one in self.yard.machines if (one.name != own) == astray)
        if machine.up:
            self.yard.deliver(message, machine)

    # Nodes

    @rule(which=NODE, starts=st.booleans())
    def speak(self, which, starts):
        """A node starts what it may, renews its leases and does what is wished."""
        machine = self.yard.machines[which]
        if machine.up and starts:
            self.yard.start(machine)
        if machine.up:
            self.yard.beat(machine)

    @rule()
    def all_goes_well(self):
        """What is placed runs."""
        self.yard.plan()
        self.deliver_the_rest(lost=False)
        for which in range(len(self.yard.machines)):
            self.speak(which, starts=True)

    @rule(which=ANY, end=ENDS)
    def command_ends(self, which, end):
        for command in one_of([one for one in self.yard.commands if one.started], which):
            self.yard.end(command, *end)

    @rule(which=ANY, forget=st.booleans())
    def report(self, which, forget):
        for report in one_of(self.yard.reports, which):
            self.yard.report(report, forget=forget)

    @rule(which=NODE)
    def silence(self, which):
        self.yard.fall_silent(self.yard.machines[which])

    @rule(which=NODE)
    def come_back(self, which):
        self.yard.come_back(self.yard.machines[which])

    @rule(which=NODE, cordoned=st.booleans())
    def cordon(self, which, cordoned):
        node = Node.objects.get(pk=self.yard.machines[which].node_id)
        heartbeats.set_cordon(node, cordoned=cordoned, reason="")

    @rule(which=ANY, whose=ANY)
    def forge(self, which, whose):
        """A report about one placement with the token of another changes nothing."""
        mine, others = list(self.yard.refs(still_open=True)), list(self.yard.refs())
        false = [(one.placement_id, other.token) for one in mine for other in others if one.token != other.token]
        if false:
            ref = PlacementRef(*false[(which * 31 + whose) % len(false)])
            assert completion.finish([PlacementOutcome(ref, EndReason.COMPLETED, exit_code=0)]) == frozenset()
            for machine in self.yard.machines:
                assert claims.claim([ref], node_id=machine.node_id) == []
                assert claims.renew([ref], node_id=machine.node_id).kept == frozenset()

    # What must always hold

    @invariant()
    def what_was_promised_holds(self):
        states = dict(Job.objects.values_list("pk", "state"))
        attempts = list(Attempt.objects.filter(ended_at__isnull=True).values_list("pk", "job_id"))
        placements = list(Placement.objects.filter(closed_at__isnull=True))
        self.a_job_holds_a_place_exactly_while_it_is_placed(states, attempts, placements)
        self.nothing_is_held_twice_or_beyond_a_limit(placements)
        self.nothing_really_runs_twice()
        self.every_state_has_its_event(states)

    def a_job_holds_a_place_exactly_while_it_is_placed(self, states, attempts, placements):
        """And never two."""
        placed = sorted(pk for pk, state in states.items() if state in PLACED_STATES)
        assert sorted(job_id for _, job_id in attempts) == placed
        assert {row.attempt_id for row in placements} == {pk for pk, _ in attempts}

    def nothing_is_held_twice_or_beyond_a_limit(self, placements):
        holds = sorted(GpuHold.objects.values_list("placement_id", "node_id", "index"))
        assert holds == sorted((row.pk, row.node_id, index) for row in placements for index in row.gpu_indices)
        cpus = Counter[int]()
        for row in placements:
            cpus[row.node_id] += row.cpus
        assert all(count <= HARDWARE.cpus for count in cpus.values())
        assert sum(cpus.values()) <= QUOTA["cpus"]
        assert len(holds) <= QUOTA["gpus"]

    def nothing_really_runs_twice(self):
        attempts = {(one.claimed.job_id, one.claimed.attempt) for one in self.yard.commands}
        assert len(attempts) == len({job_id for job_id, _ in attempts}), "two attempts of a job really run"
        members = [one.ref.placement_id for one in self.yard.commands]
        assert len(members) == len(set(members)), "a member really runs twice"
        gpus = [(one.node, gpu) for one in self.yard.commands for gpu in one.claimed.gpu_indices]
        assert len(gpus) == len(set(gpus)), "two commands really see the same GPU"

    def every_state_has_its_event(self, states):
        moves = defaultdict(list)
        for job_id, old, new in JobEvent.objects.exclude(to_state="").values_list("job_id", "from_state", "to_state"):
            moves[job_id].append((old, new))
        for job_id, state in states.items():
            first, *later = moves[job_id]
            assert first == ("", JobState.PENDING)
            was = JobState.PENDING
            for old, new in later:
                assert old == was
                assert may_move(JobState(old), JobState(new))
                was = JobState(new)
            assert state == was

    # The end

    def everything_ends(self):
        """No job is lost: with everything well again each one ends, whatever came before."""
        for machine in self.yard.machines:
            self.yard.come_back(machine)
            heartbeats.undrain(Node.objects.get(pk=machine.node_id))
        for _ in range(ROUNDS):
            left = list(Job.objects.exclude(state__in=TERMINAL_STATES).values_list("pk", flat=True))
            if not left:
                return
            for job_id, verb in product(left, (actions.release, actions.resume)):
                with suppress(ConflictError):
                    verb(job_id=job_id, actor="ann")
            self.one_good_round()
        lost = Job.objects.exclude(state__in=TERMINAL_STATES).values_list("pk", "state", "desired", "reasons")
        raise AssertionError(f"lost: {list(lost)}")

    def one_good_round(self):
        yard = self.yard
        let_time_pass()
        sweep.recover()
        yard.plan()
        while yard.messages:
            message = yard.messages.pop(0)
            yard.deliver(message, yard.machine(message.route.queue.rpartition(".")[2]))
        for machine in yard.machines:
            yard.start(machine)
            yard.beat(machine)
        for command in [one for one in yard.commands if one.started]:
            yard.end(command, EndReason.COMPLETED, 0)
        while yard.reports:
            yard.report(yard.reports[0], forget=True)

    def some_job(self, which):
        return one_of(list(Job.objects.order_by("pk")), which)


def one_of(things, which):
    """One of them in a list, none if there are none.

    What is drawn never depends on what the platform did: it goes by the clock in places, and so may differ when it is tried again.
    """
    return [things[which % len(things)]] if things else []


@pytest.mark.django_db
@pytest.mark.timeout(3600 if SLOW else 600)
def test_the_protocol_holds_in_any_order():
    connection.ensure_connection()
    run_state_machine_as_test(Protocol, settings=BOUNDS)
