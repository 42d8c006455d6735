"""`manage.py recompute_fair_share`: what decayed step by step is what placements and the ledger say at once."""

from datetime import timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F
from django.utils import timezone

from jobs.attempts.completion import finish
from jobs.attempts.tally_audit import audit
from jobs.costs import settlement
from jobs.models import Job, Placement, UsageTally
from jobs.state.outcome import PlacementOutcome, PlacementRef
from quotas.models import Price
from scheduling.lifecycle import EndReason
from tests import builders
from tests.racing import race

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def half_life_of_an_hour(settings):
    settings.HALF_LIFE_SECONDS = 3_600


def begin(hours, **fields):
    """A job that holds two GPUs since so many hours ago."""
    job = builders.running_job(**{"gpu_indices": [0, 1], "cpus": 4, **fields})
    Placement.objects.filter(attempt__job=job).update(created_at=timezone.now() - hours * HOUR)
    return job


def end(job):
    row = Placement.objects.select_related("attempt").get(attempt__job=job)
    finish([PlacementOutcome(PlacementRef(row.pk, str(row.attempt.token)), EndReason.COMPLETED)])


def an_hour_passes():
    """Everything on record happened an hour earlier."""
    Placement.objects.update(created_at=F("created_at") - HOUR)
    Placement.objects.filter(closed_at__isnull=False).update(closed_at=F("closed_at") - HOUR)
    UsageTally.objects.update(as_of=F("as_of") - HOUR)


def recomputed(*arguments):
    said = StringIO()
    call_command("recompute_fair_share", *arguments, stdout=said)
    return said.getvalue()


def test_many_ends_one_after_another_come_to_the_same_as_all_at_once():
    project, ada = builders.project(slug="vision"), builders.user(username="ada")
    for hours in (3, 1, 0.5):
        end(begin(hours, project=project, owner=ada))
        an_hour_passes()
    end(begin(2, project=project, owner=ada, gpu_indices=(), cpus=32, node=builders.node(cpus=64)))
    begin(5, project=project, owner=ada)  # it runs: neither has it
    assert audit() == []
    assert recomputed() == "0 accounts drift.\n"


def test_what_drifts_is_told_and_put_right():
    end(begin(1, project=builders.project(slug="vision"), owner=builders.user(username="ada")))
    right = UsageTally.objects.get().used
    UsageTally.objects.update(used=F("used") * 2)
    end(begin(1, project=builders.project(slug="speech"), owner=None))
    UsageTally.objects.filter(owner=None).delete()

    with pytest.raises(CommandError, match="2 accounts drift"):
        recomputed()
    assert "vision / ada: " in recomputed("--repair")

    assert UsageTally.objects.get(owner__username="ada").used == pytest.approx(right, rel=0.01)
    assert audit() == []


def test_of_jobs_that_were_deleted_the_ledger_says_it():
    now = timezone.now()
    Price.objects.create(target="cpu", per_hour=Decimal(1), currency="EUR", valid_from=now - 9 * HOUR)
    job = begin(2, owner=builders.user(username="ada"))
    settlement.hold(list(Placement.objects.values_list("pk", flat=True)))
    end(job)
    Job.objects.all().delete()
    assert audit() == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("repair_first", [True, False])
def test_an_end_that_comes_meanwhile_counts_once(repair_first):
    project, ada = builders.project(), builders.user()
    end(begin(1, project=project, owner=ada))
    UsageTally.objects.update(used=1e9)
    other = begin(2, project=project, owner=ada)
    both = [lambda: audit(repair=True), lambda: end(other)]
    race(*(both if repair_first else reversed(both)))
    assert audit() == []
