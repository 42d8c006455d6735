"""`manage.py recompute_usage`."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from jobs.models import UsageHour
from jobs.usage import rollup
from tests.jobs.usage import yard
from tests.jobs.usage.yard import ran, roll_up

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def yesterday(monkeypatch):
    """The history lies in the last days: older hours are not repaired."""
    monkeypatch.setattr(yard, "DAY", rollup.floor_to_hour(datetime.now(UTC)) - timedelta(days=2))


def recomputed(*arguments):
    said = StringIO()
    call_command("recompute_usage", *arguments, stdout=said)
    return said.getvalue()


def test_it_says_what_drifts_and_repairs_it():
    ran(0, 3)
    roll_up()
    assert recomputed() == "0 hours come out otherwise.\n"
    UsageHour.objects.filter(hour=yard.at(1)).update(gpu_seconds=1)
    with pytest.raises(CommandError, match="1 hours come out otherwise"):
        recomputed()
    assert "was written anew" in recomputed("--repair")
    assert recomputed() == "0 hours come out otherwise.\n"


def test_hours_of_which_jobs_were_deleted_are_not_repaired(settings):
    settings.JOB_RETENTION_DAYS = 1
    ran(0, 3)
    roll_up()
    with pytest.raises(CommandError, match="kept for 1 days only"):
        recomputed("--repair")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--since", "soon"], "--since: 'soon' is no time"),
        (["--since", "2030-05-01T00:00"], "no time with its zone"),
        (["--since", "2030-05-02T00:00Z", "--until", "2030-05-01T00:00Z"], "--until: must lie after"),
        (["--since", "2020-05-02T00:00Z", "--repair"], "kept for 90 days only"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, words):
    with pytest.raises(CommandError, match=words):
        recomputed(*arguments)
