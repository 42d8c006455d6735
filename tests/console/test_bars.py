"""The stretches and marks of bars: what is drawn where."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from console.admin.project_bars.drawing import Part, budget_bar, drawn, quota_bar
from jobs.planning.budget_use.reports import BudgetReport, spell
from jobs.reports.quota_bars import QuotaBar
from quotas.models import Budget

NOW = datetime(2030, 5, 1, tzinfo=UTC)


def own(used, nominal, **more):
    known: dict[str, Any] = {
        "project": "vision",
        "quota_of": "vision",
        "resource": "gpus",
        "waiting": 0,
        "borrowing": 0,
        "enforced": True,
    }
    return QuotaBar(**known | {"used": used, "nominal": nominal, "held": used} | more)


def report(amount, spent=0.0, committed=0.0, forecast=0.0):
    budget = Budget(amount=Decimal(amount), currency="EUR", period="month", hard=True)
    spent, committed, forecast = (Decimal(str(one)) for one in (spent, committed, forecast))
    return BudgetReport(budget, NOW, NOW, spent, committed, Decimal(0), forecast)


def parts(bar):
    return {part.kind: (part.start, part.end) for part in bar.parts}


@pytest.mark.parametrize(
    ("bar", "stretches", "whole"),
    [
        (own(0, 0), {}, 0),
        (own(3, 8), {"own": (0, 3)}, 8),
        (own(3, 8, lent=4), {"own": (0, 3), "lent": (4, 8)}, 8),
        (own(6, 4, borrowing=4), {"own": (0, 4), "borrowed": (4, 6)}, 8),
        (own(6, 4), {"own": (0, 4), "over": (4, 6)}, 6),
        (own(7, 4, borrowing=2), {"own": (0, 4), "borrowed": (4, 6), "over": (6, 7)}, 7),
        (own(6, 0), {"over": (0, 6)}, 6),
        (own(3, 8, waiting=2), {"own": (0, 3), "waiting": (3, 5)}, 8),
        (own(3, 8, waiting=900), {"own": (0, 3), "waiting": (3, 16)}, 16),
        (own(0, 0, waiting=4), {"waiting": (0, 4)}, 4),
        (own(2, 8, quota_of="org", held=6, waiting=1), {"own": (0, 2), "others": (2, 6), "waiting": (6, 7)}, 8),
    ],
)
def test_a_quota_is_drawn_from_what_is_used_to_what_is_asked_for(bar, stretches, whole):
    assert (parts(quota_bar(bar)), quota_bar(bar).whole) == (stretches, whole)
    assert 'd="M' in drawn(quota_bar(bar))


@pytest.mark.parametrize(
    ("of", "stretches"),
    [
        (report(0), {}),
        (report(0, spent=1), {"over": (0, 1)}),
        (report(10, 2, 3, 8), {"own": (0, 2), "committed": (2, 5), "waiting": (5, 8)}),
        (report(10, 2, 3, 4), {"own": (0, 2), "committed": (2, 5)}),
        (report(10, 8, 4, 12), {"own": (0, 8), "committed": (8, 10), "over": (10, 12)}),
        (report(10, 12, 1, 13), {"own": (0, 10), "over": (10, 13)}),
    ],
)
def test_a_budget_is_drawn_from_what_is_spent_to_what_is_expected(of, stretches):
    assert parts(budget_bar(of)) == stretches


def test_a_budget_s_marks_are_where_it_is_told_and_what_is_expected():
    assert budget_bar(report(10, 2, 3, 8)).marks == [("told", 5), ("told", 8), ("quota", 10), ("expected", 8)]


def test_nothing_is_drawn_outside_of_a_bar():
    bar = quota_bar(own(7, 4, borrowing=2, waiting=1_000, lent=0))
    assert all(0 <= part.start < part.end <= bar.whole for part in bar.parts)
    assert Part("waiting", 7, 14) in bar.parts


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (report(25, 12.5, 3, 20), "12.50 spent, 3.00 committed, 20.00 expected by the end of the month, of 25.00 EUR, hard: 62 % taken"),
        (report(25, 0, 0.0041, 30), "0.00 spent, 0.0041 committed, 30.00 expected by the end of the month, of 25.00 EUR, hard: 0 % taken, more than that expected"),
        (report(0), "0.00 spent, 0.00 committed, 0.00 expected by the end of the month, of 0.00 EUR, hard: nothing may be spent"),
        (report(0, 2), "2.00 spent, 0.00 committed, 0.00 expected by the end of the month, of 0.00 EUR, hard: 2.00 over it"),
    ],
)  # fmt: skip
def test_a_budget_is_told_in_words(of, words):
    assert of.sentence == words


def test_a_little_money_is_not_nothing():
    assert [spell(Decimal(one)) for one in ("0", "0.5", "0.012", "1234.5678")] == ["0.00", "0.50", "0.012", "1234.57"]
