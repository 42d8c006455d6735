"""A placement's money: settled with its end in one transaction, refunded where the platform failed, by whoever asks first."""

from datetime import timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F
from django.utils import timezone

from jobs.attempts.completion import finish
from jobs.costs import settlement
from jobs.costs.audit import audit
from jobs.models import Attempt, Placement
from jobs.recovery import sweep
from jobs.state.outcome import PlacementOutcome, PlacementRef
from quotas.models import LedgerTransaction, Price
from scheduling.lifecycle import EndReason, PlacementState
from tests import builders
from tests.racing import race

HOUR = timedelta(hours=1)
pytestmark = pytest.mark.django_db


def price(per_hour="0.50", target="cpu", *, since=-3, until=None, **fields):
    """Valid from so many hours from now on."""
    now = timezone.now()
    return Price.objects.create(
        target=target, per_hour=Decimal(per_hour), currency="EUR", valid_from=now + since * HOUR,
        valid_to=None if until is None else now + until * HOUR, **fields,
    )  # fmt: skip


def begun(rows, hours=1):
    """These placements, as if they had begun so long ago."""
    ids = [row.pk for row in rows]
    Placement.objects.filter(pk__in=ids).update(created_at=timezone.now() - hours * HOUR)
    settlement.hold(ids)
    return ids


def running(hours=1, **fields):
    job = builders.running_job(**{"cpus": 4, **fields})
    begun(Placement.objects.filter(attempt__job=job), hours)
    return job


def endings(job, reason=EndReason.COMPLETED, **fields):
    rows = Placement.objects.filter(attempt__job=job).select_related("attempt").order_by("pk")
    return [PlacementOutcome(PlacementRef(row.pk, str(row.attempt.token)), reason, **fields) for row in rows]


def booked():
    return [(row.kind, round(float(row.cost), 2)) for row in LedgerTransaction.objects.exclude(kind="hold")]


def test_an_end_that_is_told_twice_is_settled_once():
    price()
    job = running()
    for _ in range(2):
        finish(endings(job))
    assert booked() == [("settle", 2)]
    assert audit().drifts == []


def test_a_price_that_changes_while_it_runs_splits_the_bill():
    price(until=-0.5), price("2", since=-0.5)
    finish(endings(running()))
    assert booked() == [("settle", 1 + 4)]


def test_a_price_that_comes_while_it_runs_counts_from_then_on():
    price(since=-0.25)
    finish(endings(running()))
    assert booked() == [("settle", 0.5)]
    assert audit().drifts == []


def test_a_node_whose_type_changes_while_it_runs_costs_what_was_agreed_on():
    price("8", "node_type", name="big")
    node = builders.node(cpus=8, labels={"node-type": "big"})
    job = running(node=node)
    node.labels = {"node-type": "small"}
    node.save()

    finish(endings(job))

    assert booked() == [("settle", 4)]


@pytest.mark.parametrize("reason", [EndReason.NODE_LOST, EndReason.LOST_LEASE, EndReason.PLATFORM_ERROR])
def test_what_the_platform_failed_is_refunded_once(reason):
    price()
    job = running()
    finish(endings(job, reason)), finish(endings(job, reason))
    settlement.refund({Attempt.objects.get().pk: str(reason)}, timezone.now())

    assert booked() == [("settle", 2), ("refund", -2)]
    assert LedgerTransaction.objects.get(kind="refund").reason == reason
    assert audit().drifts == []


def test_what_failed_by_its_own_fault_is_not_refunded():
    price()
    finish(endings(running(), EndReason.EXIT_CODE, exit_code=1))
    assert booked() == [("settle", 2)]


def test_of_a_gang_whose_node_was_lost_every_member_is_refunded():
    price()
    members = builders.gang(builders.node(), builders.node(), state=PlacementState.RUNNING, started_at=timezone.now())
    begun(members)
    job = members[0].attempt.job
    first, second = endings(job)
    finish([PlacementOutcome(first.ref, EndReason.NODE_LOST)])
    assert booked() == [("settle", 0.5)]

    finish([PlacementOutcome(second.ref, EndReason.GANG_ENDED)])

    assert sorted(booked()) == [("refund", -0.5), ("refund", -0.5), ("settle", 0.5), ("settle", 0.5)]


def test_the_sweep_refunds_what_a_silent_node_took_with_it():
    price()
    running()
    Placement.objects.update(lease_expires_at=timezone.now() - HOUR)
    sweep._end_lost()
    assert booked() == [("settle", 2), ("refund", -2)]


def audited(*arguments):
    said = StringIO()
    call_command("audit_costs", *arguments, stdout=said)
    return said.getvalue()


def test_the_audit_finds_what_an_agent_of_an_old_release_did_not_settle_and_settles_it():
    price()
    job = running()
    Placement.objects.update(state="closed", closed_at=timezone.now())
    builders.placement(attempt=builders.attempt(job=builders.job(state="queued")), state="closed", cpus=2,
                       closed_at=timezone.now(), created_at=timezone.now() - HOUR)  # fmt: skip
    with pytest.raises(CommandError, match="drift 2"):
        audited()

    assert "2 placements settled" in audited("--settle")
    assert sorted(booked()) == [("settle", 1), ("settle", 2)]
    assert audited() == "2 settlements worked out again: drift 0.\n"
    assert job.attempts.count() == 1


def test_the_audit_finds_a_price_that_was_changed_behind_its_back():
    price()
    finish(endings(running()))
    Price.objects.update(per_hour=F("per_hour") * 2)
    with pytest.raises(CommandError, match="drift 1"):
        audited()


@pytest.mark.django_db(transaction=True)
def test_two_connections_end_the_same_placement_and_settle_it_once():
    price()
    job = running()
    race(lambda: finish(endings(job)), lambda: finish(endings(job, EndReason.NODE_LOST)))
    assert booked() == [("settle", 2)]


def test_who_has_no_prices_pays_no_statement_for_them(monkeypatch):
    job = builders.running_job()
    monkeypatch.setattr(settlement, "settle", None)
    finish(endings(job))
    assert not LedgerTransaction.objects.exists()
