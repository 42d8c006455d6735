"""The shadow in rows: what was saved is what is read, whatever changes from plan to plan."""

from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.control import actions
from jobs.models import Attempt, FloorShadow, FloorShadowJob, Job
from jobs.planning.floor import floor_shadow
from jobs.planning.job_rows import in_line_before
from quotas.clock import database_now
from scheduling.lifecycle import EndReason
from scheduling.plan_result import Plan
from scheduling.resources import Resources
from scheduling.snapshot import Allocation, Shadow, ShadowJob, Snapshot
from tests import builders
from tests.jobs.planning.floor_yard import HOUR, restart_planner
from tests.jobs.planning.test_preemption import ended

pytestmark = pytest.mark.django_db
MOST_JOBS = 6
seconds = st.floats(0, 2e9, allow_nan=False)
amounts = st.builds(Resources, st.integers(1, 64), st.integers(0, 10**6), st.just(2))


@st.composite
def shares(draw):
    """Of a gang too: one share for each of its nodes, in the order of the ranks."""
    nodes = draw(st.lists(st.sampled_from(["n1", "n2", "gpu-7"]), unique=True, max_size=3))
    gpus = draw(st.lists(st.integers(0, 7), unique=True, min_size=2, max_size=2).map(sorted))
    return tuple(Allocation(node, draw(amounts), tuple(gpus), rank) for rank, node in enumerate(nodes))


states = st.tuples(st.none() | seconds, shares(), st.none() | seconds, seconds)
pictures = st.tuples(
    st.dictionaries(st.integers(0, MOST_JOBS - 1), states),
    st.dictionaries(st.sampled_from(["n1", "n2"]), st.sampled_from(["n3", "n4"])),
    seconds,
    st.dictionaries(st.sampled_from(["late", "held", "node"]), st.integers(0, 9)),
)


def drawn(picture, views):
    jobs, nodes, wait, counts = picture
    made = {views[at].id: ShadowJob(views[at], *state) for at, state in jobs.items()}
    return Shadow(database_now().timestamp(), made, nodes, wait, counts)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(pictures, min_size=1, max_size=4))
def test_what_was_saved_is_what_a_planner_that_starts_again_reads(seen):
    views = _views()
    FloorShadow.objects.all().delete()
    FloorShadowJob.objects.all().delete()
    before = None
    for after in [drawn(picture, views) for picture in seen]:
        floor_shadow.save(Snapshot(shadow=before), Plan((), (), (), shadow=after))
        restart_planner()

        before, _ = floor_shadow.read((), (), database_now().timestamp())

        assert before == after


def _views():
    """Jobs that the shadow may know: they are there once for all examples."""
    if not Job.objects.exists():
        project = builders.project()
        for _ in range(MOST_JOBS):
            builders.job(project=project, state="running", cpus=2, gpus=2, max_runtime_seconds=HOUR)
    return list(in_line_before(list(Job.objects.order_by("pk").values_list("pk", flat=True))).values())


def known(*jobs):
    """A shadow in which these have started."""
    views = in_line_before([job.pk for job in jobs])
    shadow = Shadow(database_now().timestamp(), {one.id: ShadowJob(one, 1000.0) for one in views.values()})
    floor_shadow.save(Snapshot(), Plan((), (), (), shadow=shadow))


def told(job):
    """What the next plan is told of the end of the job."""
    _, found = floor_shadow.read((), (), database_now().timestamp())
    return [(round(one.work_seconds), one.given_up) for one in found if one.job.id == job.pk]


def ran(seconds, **fields):
    """A job that has run for so long."""
    began = timezone.now() - timedelta(seconds=seconds)
    return builders.running_job(started_at=began, **fields)


@pytest.mark.parametrize("reason", [EndReason.COMPLETED, EndReason.EXIT_CODE])
def test_who_ends_by_itself_took_what_it_has_run(reason):
    job = ran(500)
    known(job)
    ended(job, reason, exit_code=3)

    assert told(job) == [(500, False)]


def test_all_attempts_count_as_far_as_they_saved_their_work_and_going_on_costs():
    job = ran(500)
    builders.attempt(job=job, number=7, started_at=timezone.now(), ended_at=timezone.now(), saved_seconds=1000)
    Job.objects.filter(pk=job.pk).update(attempt=8)
    Attempt.objects.filter(job=job, ended_at=None).update(number=8)
    known(job)
    ended(job, EndReason.COMPLETED, exit_code=0)

    assert told(job) == [(1000 + 500 - 60, False)]


def test_who_is_cancelled_while_it_runs_or_waits_has_given_up():
    running, waiting = ran(500), builders.job()
    known(running, waiting)
    for job in (running, waiting):
        actions.cancel(job_id=job.pk, actor="ann")
    ended(running, EndReason.CANCELLED)

    assert told(running) == told(waiting) == [(0, True)]


def test_who_runs_or_is_paused_has_not_ended():
    running, paused = ran(500), builders.job(state="paused")
    known(running, paused)

    assert told(running) == told(paused) == []


def test_without_a_shadow_there_is_nothing_to_read():
    assert floor_shadow.read((), (), 0.0) == (None, ())
