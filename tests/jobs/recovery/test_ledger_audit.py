"""What beat does with the ledger every ten minutes: what is left is settled and told, what drifts stays told."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from jobs.attempts.completion import finish
from jobs.models import AuditResult, JobEvent, Placement, StandingAlert
from jobs.recovery import ledger_audit
from jobs.reports.metrics.exposition import exposition
from quotas.models import LedgerTransaction, Price
from tests import builders
from tests.jobs.costs.test_settlement import begun, endings, price

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def closed_by_an_old_agent(hours_ago=0):
    job = builders.running_job(cpus=2)
    ids = begun(Placement.objects.filter(attempt__job=job), hours=2)
    Placement.objects.filter(pk__in=ids).update(state="closed", closed_at=timezone.now() - hours_ago * HOUR)
    return job


def told():
    return list(StandingAlert.objects.filter(key=ledger_audit.KEY).values_list("sentence", flat=True))


def test_what_ended_without_being_settled_is_settled_and_told():
    price("1.00")
    job = closed_by_an_old_agent()
    assert ledger_audit.watch() == []
    assert round(LedgerTransaction.objects.get(kind="settle").cost, 2) == 4
    [words] = JobEvent.objects.filter(job=job, kind="settled_late").values_list("message", flat=True)
    assert "had ended without being settled: it was settled at 4.0" in words
    assert "trainyard_ledger_settled_late_total 1.0" in exposition().decode()
    assert (ledger_audit.watch(), LedgerTransaction.objects.filter(kind="settle").count(), told()) == ([], 1, [])


def test_what_drifts_is_told_until_the_whole_ledger_was_found_without_it():
    price("1.00")
    job = builders.running_job(cpus=2)
    begun(Placement.objects.filter(attempt__job=job))
    finish(endings(job))
    Price.objects.update(per_hour=Decimal(3))
    assert len(ledger_audit.watch()) == 1
    assert "1 placements drift in the ledger" in told()[0]
    assert "trainyard_ledger_drift 1.0" in exposition().decode()
    Price.objects.update(per_hour=Decimal(1))
    AuditResult.objects.filter(pk="ledger").update(at=timezone.now() + 9 * HOUR)  # it looks at what is newer alone
    ledger_audit.watch()
    assert len(told()) == 1
    call_command("audit_costs")
    assert told() == []


def test_what_is_older_than_the_last_audit_is_not_read_again():
    price("1.00", since=-99)
    closed_by_an_old_agent(hours_ago=-1)
    AuditResult.objects.create(books="ledger", at=timezone.now() + 9 * HOUR)
    assert ledger_audit.watch() == []
    assert not LedgerTransaction.objects.filter(kind="settle").exists()
    with pytest.raises(CommandError):
        call_command("audit_costs")
    assert len(told()) == 1


def test_without_prices_nothing_is_written():
    closed_by_an_old_agent()
    assert ledger_audit.watch() == []
    assert not LedgerTransaction.objects.exists()
