"""The platform's history is a trace that the simulator reads."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from jobs.models import Job
from jobs.reports.trace_export import COLUMNS
from simulator import csv_trace
from simulator.cleaning import clean
from simulator.reading import read_trace
from tests import builders

pytestmark = pytest.mark.django_db

NOW = timezone.now()


def over(*, submitted, started=None, ended, **fields):
    """A job that is over; the moments are minutes from a day ago on."""
    zero = NOW - timedelta(days=1)
    started_at = None if started is None else zero + timedelta(minutes=started)
    made = builders.job(
        **{"state": "completed"} | fields, started_at=started_at, finished_at=zero + timedelta(minutes=ended)
    )
    Job.objects.filter(pk=made.pk).update(created_at=zero + timedelta(minutes=submitted))
    return made


@pytest.fixture
def exported(tmp_path):
    def export(*words, name="trace.csv"):
        call_command("export_trace", tmp_path / name, *words)
        return read_trace(tmp_path / name).jobs

    return export


def test_the_columns_are_those_that_the_simulator_knows():
    assert COLUMNS == csv_trace.COLUMNS


def test_a_job_comes_back_as_it_was(exported):
    ann = builders.user(username="ann")
    late = over(submitted=10, started=12, ended=15, cpus=4, gpus=8, nodes=2, memory_mb=2048, max_runtime_seconds=600,
                priority=90, deadline=NOW, owner=ann, project=builders.project(slug="vision"))  # fmt: skip
    over(submitted=5, started=5, ended=6)

    first, second = exported()

    assert (first.submit_s, first.run_s) == (0, 60)
    assert (second.id, second.submit_s, second.run_s, second.walltime_s) == (str(late.pk), 300, 180, 600)
    assert (second.cpus, second.gpus, second.nodes, second.memory_mb, second.priority) == (8, 16, 2, 4096, 90)
    assert (second.user, second.group) == ("ann", "vision")
    assert (first.deadline_s, second.deadline_s) == (None, 86_400 - 300)


def test_a_job_without_a_limit_is_replayed_as_one(exported):
    over(submitted=0, started=0, ended=5)
    over(submitted=1, started=2, ended=3, max_runtime_seconds=600)

    cleaning = clean(exported())

    assert [one.walltime_s for one in cleaning.jobs] == [None, 600]


def test_jobs_that_still_go_on_are_left_out(exported):
    over(submitted=0, started=0, ended=1)
    builders.job()
    builders.running_job()

    assert len(exported()) == 1


def test_a_job_that_never_started_has_no_run_time(exported):
    over(submitted=0, ended=1, state="cancelled")

    assert exported()[0].run_s is None


def test_names_can_be_hidden_and_stay_told_apart(exported):
    ann = builders.user(username="ann")
    for owner in (ann, ann, builders.user(username="bob")):
        over(submitted=0, started=0, ended=1, owner=owner)

    users = [job.user for job in exported("--anonymous")]

    assert users[0] == users[1] != users[2]
    assert not {"ann", "bob"} & set(users)
    assert [job.user for job in exported("--anonymous")] != users


def test_old_jobs_can_be_left_out(exported):
    over(submitted=0, started=0, ended=1)
    recent = over(submitted=24 * 60 - 5, started=24 * 60 - 4, ended=24 * 60 - 3)

    assert [job.id for job in exported("--days", "0.5")] == [str(recent.pk)]


def test_a_file_may_be_compressed(exported):
    over(submitted=0, started=0, ended=1)

    assert len(exported(name="trace.csv.gz")) == 1


def test_without_a_file_it_goes_to_standard_output(capsys):
    over(submitted=0, started=0, ended=1)

    call_command("export_trace")

    assert capsys.readouterr().out.splitlines()[0] == ",".join(COLUMNS)


def test_what_cannot_be_done_is_refused(tmp_path):
    with pytest.raises(CommandError, match="cannot be written: No such file"):
        call_command("export_trace", tmp_path / "nowhere" / "trace.csv")
    with pytest.raises(CommandError, match="--days: give a number above 0"):
        call_command("export_trace", "--days", "-1")
