"""What happens while a cycle plans: others change jobs, hold them, ask for a cycle, or something fails."""

import pytest
from django.db import IntegrityError

from jobs.control import actions
from jobs.messages import publishing
from jobs.models import Attempt, GpuHold, Job, JobEvent, Placement
from jobs.planning import cycle
from scheduling.lifecycle import JobState
from scheduling.planning.plan import make_plan
from tests import builders
from tests.racing import beside, hold

pytestmark = pytest.mark.django_db


@pytest.fixture
def meanwhile(monkeypatch):
    """Has something happen after the picture was taken, and before anything of the plan is written."""

    def during(step):
        def plan(snapshot, now):
            step()
            return make_plan(snapshot, now)

        monkeypatch.setattr(cycle, "make_plan", plan)

    return during


@pytest.fixture
def sent(monkeypatch):
    """The messages that the broker was given."""
    messages: list[dict[str, object]] = []
    monkeypatch.setattr(publishing, "_publish", messages.extend)
    return messages


def state_of(job) -> str:
    return Job.objects.get(pk=job.pk).state


def codes_of(job) -> list[str]:
    return [reason["code"] for reason in Job.objects.get(pk=job.pk).reasons]


def test_a_job_that_was_cancelled_while_it_was_planned_is_not_placed_and_the_others_are(meanwhile):
    builders.node(gpus=2)
    gone, other = builders.job(gpus=1), builders.job(gpus=1)
    meanwhile(lambda: actions.cancel(job_id=gone.pk, actor="ann"))

    assert cycle.run_cycle().placed == 1

    assert (state_of(gone), state_of(other)) == (JobState.CANCELLED, JobState.QUEUED)
    assert list(Attempt.objects.values_list("job_id", flat=True)) == [other.pk]
    assert GpuHold.objects.count() == 1


def test_a_job_that_was_held_while_it_was_planned_waits(meanwhile):
    builders.node()
    job = builders.job()
    meanwhile(lambda: actions.hold(job_id=job.pk, actor="ann"))

    assert cycle.run_cycle().placed == 0
    assert (state_of(job), Attempt.objects.exists()) == (JobState.PENDING, False)


def test_a_cycle_that_fails_has_placed_nothing_and_tells_nobody(meanwhile, sent, django_capture_on_commit_callbacks):
    node = builders.node(gpus=1)
    jobs = [builders.job(), builders.job(gpus=1)]
    # A plan that is wrong, as it would give out a GPU twice: the database refuses it.
    meanwhile(lambda: builders.placement(node=node, gpu_indices=[0]))
    before = list(Job.objects.order_by("pk").values())

    with django_capture_on_commit_callbacks(execute=True), pytest.raises(IntegrityError):
        cycle.run_cycle()

    assert list(Job.objects.order_by("pk").values()) == before
    assert (Placement.objects.exists(), JobEvent.objects.filter(job__in=jobs).exists(), sent) == (False, False, [])


def test_nodes_are_told_only_after_the_commit(sent, django_capture_on_commit_callbacks):
    builders.node(name="n1")
    job = builders.job()

    with django_capture_on_commit_callbacks(execute=True):
        cycle.run_cycle()
        assert sent == [], "an agent that came now would find nothing to claim"

    assert [(one["queue"], one["args"][0]) for one in sent] == [
        ("cpu.normal.n1", Placement.objects.get(attempt__job=job).pk)
    ]


@pytest.mark.django_db(transaction=True)
def test_a_job_that_somebody_holds_is_not_waited_for_and_has_its_reasons_a_cycle_later(monkeypatch):
    monkeypatch.setattr(cycle, "refresh", cycle.ReasonThrottle())
    busy, other = builders.job(gpus=1), builders.job(gpus=1)

    beside(hold(busy), cycle.run_cycle)
    assert (codes_of(busy), codes_of(other)) == ([], ["no_node"])

    cycle.run_cycle()
    assert codes_of(busy) == ["no_node"]


def test_other_reasons_are_written_at_once_and_other_numbers_now_and_then(settings):
    settings.CYCLE_SECONDS = 1000
    throttle = cycle.ReasonThrottle()
    old, other_numbers, other_code = ([{"code": code, "free": free}] for code, free in (("a", 1), ("a", 2), ("b", 1)))

    first, later = throttle.differs(), throttle.differs()

    assert [first(old, one) for one in (old, other_numbers, other_code)] == [False, True, True]
    assert [later(old, one) for one in (old, other_numbers, other_code)] == [False, False, True]


def test_a_cycle_that_failed_keeps_nobody_from_the_next_one():
    flight, runs = cycle.SingleFlight(), []

    with pytest.raises(ZeroDivisionError):
        flight.run(lambda: 1 / 0)
    flight.run(lambda: runs.append(1))

    assert runs == [1]
