"""What a node noticed about its jobs, on its way into their histories: once, and of the present attempt alone."""

import pytest
from django.db import DatabaseError
from django.utils import timezone

from executors.upload import events
from jobs.models import Attempt, JobEvent
from tests import builders
from tests.executors.upload.test_logs import run_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(tmp_path):
    return run_of(builders.running_job(), tmp_path / "run")


def noted() -> list[tuple[str, str]]:
    return list(JobEvent.objects.order_by("id").values_list("kind", "message"))


def test_what_was_noticed_is_written_once_and_in_order(run):
    run.note("gpu_warning", "First.")
    run.note("silent", "Second.")

    events.ship([run])
    events.ship([run])

    assert noted() == [("gpu_warning", "First."), ("silent", "Second.")]


def test_what_the_database_did_not_take_is_kept_for_the_next_turn(run, monkeypatch):
    def fails(*_, **__):
        raise DatabaseError("away")

    run.note("silent", "It looks dead.")
    with monkeypatch.context() as away:
        away.setattr("executors.upload.events.transitions.note", fails)
        with pytest.raises(DatabaseError):
            events.ship([run])

    events.ship([run])

    assert noted() == [("silent", "It looks dead.")]


@pytest.mark.parametrize("change", [{"ended_at": timezone.now()}, {"token": "00000000-0000-0000-0000-000000000000"}])
def test_a_stale_run_writes_nothing_and_does_not_try_for_ever(run, change):
    Attempt.objects.update(**change)
    run.note("silent", "It looks dead.")

    events.ship([run])

    assert (noted(), len(run.notes)) == ([], 0)
