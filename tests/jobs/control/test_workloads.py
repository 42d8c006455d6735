"""Workloads: what is wanted of the whole is brought about for each job, whenever it came and whoever died meanwhile."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.control import actions, workload_settling, workloads
from jobs.control.job_deletion import delete
from jobs.models import Job, JobEvent, Workload
from jobs.planning import cycle
from jobs.submission.job_spec import JobSpec
from jobs.submission.submit import submit
from jobs.submission.workloads import WorkloadTerms
from quotas.models import Project
from scheduling.errors import ConflictError, InvalidError
from scheduling.planning.plan import make_plan
from scheduling.workloads import Verb, Wanted
from tests import builders

pytestmark = pytest.mark.django_db


@pytest.fixture
def sweep():
    return builders.workload(name="sweep")


def ask(workload, verb):
    return workloads.ask(workload, verb, "ann")


def states(*jobs):
    return [(row.state, row.desired) for row in (Job.objects.get(pk=job.pk) for job in jobs)]


def in_it(workload, **fields):
    return builders.job(project=workload.project, workload=workload, **fields)


def runs_in(workload, **fields):
    return builders.running_job(project=workload.project, workload=workload, **fields)


def plan():
    cycle.refresh._next = 0.0
    return cycle.run_cycle()


def reason_of(job):
    return [one["sentence"] for one in Job.objects.get(pk=job.pk).reasons]


def test_one_that_is_held_starts_nothing_until_it_is_started():
    held = builders.workload(name="sweep", wanted=Wanted.HELD)
    job = in_it(held)
    builders.node()
    plan()
    assert (states(job), reason_of(job)) == ([("pending", "")], ["Workload sweep has not been started."])

    assert ask(held, Verb.START).started_at is not None
    plan()
    assert states(job) == [("queued", "")]


def test_a_pause_tells_those_that_run_and_holds_those_that_wait(sweep):
    runs, waits, over = runs_in(sweep), in_it(sweep), in_it(sweep, state="completed")
    builders.node()

    ask(sweep, Verb.PAUSE)
    plan()

    assert states(runs, waits, over) == [("running", "pause"), ("pending", ""), ("completed", "")]
    assert reason_of(waits) == ["Workload sweep is paused."]
    assert JobEvent.objects.filter(job=waits, kind="held", actor="ann", message="Workload sweep is paused.").exists()


def test_a_second_pause_changes_nothing(sweep):
    runs_in(sweep), in_it(sweep)
    first = ask(sweep, Verb.PAUSE)
    events = JobEvent.objects.count()

    assert ask(sweep, Verb.PAUSE).version == first.version
    assert JobEvent.objects.count() == events


def test_a_resumed_one_goes_on_where_it_was_and_what_somebody_holds_stays_held(sweep):
    paused, waits, held = in_it(sweep, state="paused"), in_it(sweep), in_it(sweep)
    actions.hold(job_id=held.pk, actor="bob")
    ask(sweep, Verb.PAUSE)

    ask(sweep, Verb.RESUME)

    assert states(paused, waits, held) == [("pending", "")] * 3
    assert Job.objects.get(pk=waits.pk).out_of_line_since is None
    assert Job.objects.get(pk=held.pk).held_by == "bob"


def test_who_waits_in_a_paused_one_gains_no_age(sweep):
    waits = in_it(sweep)
    ask(sweep, Verb.PAUSE)
    hour_ago = timezone.now() - timedelta(hours=1)
    Job.objects.filter(pk=waits.pk).update(created_at=hour_ago, out_of_line_since=hour_ago)

    ask(sweep, Verb.RESUME)

    since = Job.objects.get(pk=waits.pk).in_line_since
    assert (timezone.now() - since).total_seconds() < 60


def test_a_cancelled_one_ends_all_that_has_not_ended_and_nothing_takes_that_back(sweep):
    runs, waits, paused, over = runs_in(sweep), in_it(sweep), in_it(sweep, state="paused"), in_it(sweep, state="failed")

    ask(sweep, Verb.CANCEL)

    assert states(runs, waits, paused, over) == [
        ("running", "cancel"), ("cancelled", ""), ("cancelled", ""), ("failed", ""),
    ]  # fmt: skip
    with pytest.raises(ConflictError, match="nothing takes that back"):
        ask(sweep, Verb.RESUME)


def test_a_job_of_a_paused_one_that_somebody_resumes_waits_all_the_same(sweep):
    paused = in_it(sweep, state="paused")
    builders.node()
    ask(sweep, Verb.PAUSE)

    actions.resume(job_id=paused.pk, actor="bob")
    plan()

    assert (states(paused), reason_of(paused)) == ([("pending", "")], ["Workload sweep is paused."])


def test_who_dies_after_the_wish_leaves_the_rest_to_the_sweep(sweep, monkeypatch):
    runs, waits = runs_in(sweep), in_it(sweep)
    with monkeypatch.context() as dying:
        dying.setattr(workloads, "settle", lambda _: None)
        ask(sweep, Verb.PAUSE)
    assert states(runs) == [("running", "")]

    assert workload_settling.reconcile() == 1

    assert states(runs, waits) == [("running", "pause"), ("pending", "")]
    assert Workload.objects.get().settled
    assert workload_settling.reconcile() == 0


def test_who_brings_about_an_older_wish_stops_at_a_newer_one(sweep):
    runs = runs_in(sweep)
    old = Workload.objects.get()
    ask(sweep, Verb.PAUSE)
    ask(sweep, Verb.RESUME)

    Workload.objects.filter(pk=sweep.pk).update(settled=False)
    old.wanted = Wanted.CANCELLED
    workload_settling.settle(old)

    assert states(runs) == [("running", "")]


def test_a_job_that_runs_against_the_wish_is_told_by_the_sweep():
    paused = builders.workload(wanted=Wanted.PAUSED)
    runs = runs_in(paused)

    workload_settling.reconcile()

    assert states(runs) == [("running", "pause")]


def test_the_first_failure_cancels_the_rest_and_is_on_record():
    stops = builders.workload(name="sweep", stop_on_failure=True)
    failed, runs, waits = in_it(stops, state="failed"), runs_in(stops), in_it(stops)
    builders.node()
    plan()
    assert reason_of(waits) == [f"Workload sweep stops at the first failure, and job {failed.pk} failed."]

    workload_settling.reconcile()

    assert states(runs, waits) == [("running", "cancel"), ("cancelled", "")]
    assert Job.objects.get(pk=waits.pk).root_cause == failed.pk
    assert Workload.objects.get().stopped_by == failed.pk


def test_one_that_keeps_going_does(sweep):
    in_it(sweep, state="failed")
    waits = in_it(sweep)

    assert workload_settling.reconcile() == 0
    assert states(waits) == [("pending", "")]


def test_what_failed_is_retried_with_what_was_cancelled_because_of_it_and_the_old_failure_stops_nothing():
    stops = builders.workload(name="sweep", stop_on_failure=True)
    failed, waits, alone = in_it(stops, state="failed"), in_it(stops), in_it(stops, state="cancelled")
    workload_settling.reconcile()

    outcome = workloads.retry_failed(stops, "ann")

    assert set(outcome.changed) == {failed.pk, waits.pk}
    assert states(failed, waits, alone) == [("pending", ""), ("pending", ""), ("cancelled", "")]
    assert Workload.objects.get().wanted == "open"
    assert workload_settling.reconcile() == 0


def test_one_that_somebody_cancelled_is_not_retried(sweep):
    in_it(sweep, state="failed")
    ask(sweep, Verb.CANCEL)

    with pytest.raises(ConflictError, match="is cancelled"):
        workloads.retry_failed(sweep, "ann")


def test_no_more_than_so_many_of_its_jobs_run(sweep):
    Workload.objects.update(max_running=2)
    jobs = [in_it(sweep) for _ in range(4)]
    other = builders.job()
    builders.node(cpus=16)

    plan()

    assert [state for state, _ in states(*jobs, other)] == ["queued", "queued", "pending", "pending", "queued"]
    assert reason_of(jobs[3]) == ["Workload sweep allows 2 running jobs (2 running)."]


def test_a_wish_of_a_moment_ago_reaches_a_job_that_was_planned_before(sweep, monkeypatch):
    """The plan was made while it was open; by the time its placements are written it is paused."""
    job = in_it(sweep)
    builders.node()

    def plan_then_pause(*args):
        made = make_plan(*args)
        Workload.objects.update(wanted=Wanted.PAUSED)
        return made

    monkeypatch.setattr(cycle, "make_plan", plan_then_pause)
    assert plan().placed == 0
    assert states(job) == [("pending", "")]


@pytest.mark.parametrize("many", [1, 30])
def test_a_pause_takes_so_many_statements_however_many_jobs_there_are(sweep, many, django_assert_max_num_queries):
    for _ in range(many):
        in_it(sweep)
        in_it(sweep, state="paused")

    with django_assert_max_num_queries(18):
        ask(sweep, Verb.PAUSE)


def spec(project, workload="", **more):
    return JobSpec(name="one", project=project.slug, command=("true",), workload=workload, **more)


def test_jobs_make_the_workload_that_they_name_and_later_ones_join_it():
    project = builders.project()
    ann = builders.member(project=project)

    [first] = submit(specs=[spec(project, "sweep")], owner=ann)
    [second] = submit(specs=[spec(project, "sweep")], owner=ann)

    made = Workload.objects.get()
    assert (made.owner, made.wanted) == (ann, "open")
    assert {first.job.workload_id, second.job.workload_id} == {made.pk}


def test_a_batch_makes_it_with_its_terms_and_they_hold_for_its_jobs_from_the_first_moment():
    project = builders.project()
    ann = builders.member(project=project)
    builders.node()
    terms = WorkloadTerms("sweep", held=True, max_running=3, stop_on_failure=True)

    made = submit(specs=[spec(project, "sweep"), spec(project, "sweep")], owner=ann, terms=terms)

    assert plan().placed == 0
    row = Workload.objects.get()
    assert (row.wanted, row.max_running, row.stop_on_failure) == ("held", 3, True)
    assert Job.objects.get(pk=made[0].job.pk).out_of_line_since is not None


def test_nobody_joins_a_cancelled_one_nor_that_of_somebody_else_and_nothing_is_written(sweep):
    ann = builders.member(project=sweep.project)
    with pytest.raises(InvalidError, match="is of somebody who has left"):
        submit(specs=[spec(sweep.project, "sweep")], owner=ann)
    Workload.objects.update(owner=ann, wanted=Wanted.CANCELLED)
    with pytest.raises(InvalidError, match="is cancelled and takes no new jobs"):
        submit(specs=[spec(sweep.project, "sweep"), spec(sweep.project)], owner=ann)
    assert not Job.objects.exists()


def test_a_call_that_says_otherwise_than_the_workload_is_changes_nothing(sweep):
    ann = builders.member(project=sweep.project)
    Workload.objects.update(owner=ann)

    with pytest.raises(InvalidError) as refused:
        submit(specs=[spec(sweep.project, "sweep")], owner=ann, terms=WorkloadTerms("sweep", max_running=2))

    assert [fault.field for fault in refused.value.errors] == ["workload.max_running"]


def test_its_last_job_takes_it_along_and_a_deleted_one_leaves_its_jobs(sweep):
    over = in_it(sweep, state="completed")
    other = builders.workload()
    kept = in_it(other, state="failed")
    empty = builders.workload()

    delete(Job.objects.filter(pk=over.pk))
    workloads.remove(other)

    assert list(Workload.objects.all()) == [empty]
    assert Job.objects.get(pk=kept.pk).workload is None


def test_one_with_open_jobs_is_not_deleted(sweep):
    in_it(sweep)
    with pytest.raises(ConflictError, match="has jobs that have not ended"):
        workloads.remove(sweep)


def test_a_project_that_is_deleted_takes_its_empty_workloads_along(sweep):
    Project.objects.get(pk=sweep.project_id).delete()
    assert not Workload.objects.exists()
