"""Two at once on one workload: of what people want none is lost, and no job goes its own way."""

import pytest

from jobs.control import workload_settling, workloads
from jobs.models import Job, Workload
from jobs.submission.job_spec import JobSpec
from jobs.submission.submit import submit
from scheduling.workloads import Verb
from tests import builders
from tests.racing import race

pytestmark = pytest.mark.django_db(transaction=True)


def asks(verb):
    return lambda: workloads.ask(Workload.objects.get(), verb, "ann")


def settled():
    """Whatever was left is brought about by the sweep."""
    workload_settling.reconcile()
    row = Workload.objects.get()
    assert row.settled
    return row.wanted


@pytest.mark.parametrize(("first", "second"), [(Verb.PAUSE, Verb.CANCEL), (Verb.CANCEL, Verb.PAUSE)])
def test_of_a_pause_and_a_cancellation_at_once_the_cancellation_stays(first, second):
    sweep = builders.workload()
    runs = builders.running_job(project=sweep.project, workload=sweep)
    waits = builders.job(project=sweep.project, workload=sweep)

    race(asks(first), asks(second))

    assert settled() == "cancelled"
    assert Job.objects.get(pk=runs.pk).desired == "cancel"
    assert Job.objects.get(pk=waits.pk).state == "cancelled"


def test_of_a_pause_and_a_resume_at_once_the_later_one_counts():
    sweep = builders.workload()
    runs = builders.running_job(project=sweep.project, workload=sweep)
    waits = builders.job(project=sweep.project, workload=sweep)

    race(asks(Verb.PAUSE), asks(Verb.RESUME))

    assert settled() == "open"
    assert Job.objects.get(pk=runs.pk).desired == ""
    assert Job.objects.get(pk=waits.pk).out_of_line_since is None


def test_a_job_that_comes_with_the_cancellation_is_refused_or_cancelled():
    project = builders.project()
    ann = builders.member(project=project)
    submits = lambda: submit(specs=[JobSpec("one", project.slug, ("true",), workload="sweep")], owner=ann)  # noqa: E731
    submits()

    race(submits, asks(Verb.CANCEL))

    assert settled() == "cancelled"
    assert set(Job.objects.values_list("state", flat=True)) == {"cancelled"}
    assert Job.objects.count() == 2


def test_two_that_make_the_same_workload_at_once_make_one():
    project = builders.project()
    ann = builders.member(project=project)
    submits = lambda: submit(specs=[JobSpec("one", project.slug, ("true",), workload="sweep")], owner=ann)  # noqa: E731

    race(submits, submits)

    assert Workload.objects.count() == 1
    assert Workload.objects.get().jobs.count() == 2
