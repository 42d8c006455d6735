"""Each wrong that the books of a storm may show is found in books made up for it; good ones show none."""

from dataclasses import replace
from decimal import Decimal

import pytest

from chaos.books import checks, tree
from chaos.books.records import Booked, Books
from chaos.diaries import DiaryRun
from chaos.workload import plan_jobs

MOST = (7, 15)
RED, BLUE, GREEN = MEMBERS = tree.members(*MOST)


def booked(number=1, project="red", gpus=1, cpus=1, began=10.0, ended=20.0, **fields):
    cost = (gpus * Decimal("2.50") + cpus * Decimal("0.04")) * Decimal(str((ended or began) - began)) / 3600
    known = {"settled": None if ended is None else cost.quantize(Decimal("0.000001"))} | fields
    return Booked(number, number, 1, 0, project, gpus, cpus, began, ended, **known)


def books(*placements, **fields):
    revenue = sum((one.settled or 0 for one in placements), Decimal(0))
    refund = -sum((one.refunded or 0 for one in placements), Decimal(0))
    known = {"accounts": {"project": -revenue - refund, "hold": Decimal(0), "revenue": revenue, "refund": refund}}
    return Books(placements, audits=(), members=MEMBERS, most=MOST, hard=Decimal(4), **{**known, **fields})


def run(job=1, began=11.0, last=19.0):
    return DiaryRun(job, 1, 0, began, last)


GOOD = books(booked(), booked(2, "blue", refunded=booked(2).settled), booked(3, "free", gpus=40))


def test_good_books_show_nothing():
    assert checks.wrong(GOOD, [run(), run(2)]) == []


@pytest.mark.parametrize(
    ("words", "bad"),
    [
        ("green held 3 GPUs of 2", books(booked(1, "green", gpus=2), booked(2, "green"))),
        ("red held 16 CPUs of 15", books(booked(1, "red", gpus=0, cpus=16))),
        ("All held or kept 8 GPUs of 7", books(booked(1, "red", gpus=5), booked(2, "green", gpus=2))),  # blue keeps one
        (
            "blue started job 2 with",
            books(booked(1, "blue", gpus=3, ended=None), booked(2, "blue", gpus=4, began=11.0)),
        ),
        ("is on hold still", replace(GOOD, accounts={**GOOD.accounts, "hold": Decimal(1), "project": Decimal(-1)})),
        ("The accounts are", replace(GOOD, accounts={**GOOD.accounts, "hold": Decimal(1)})),
        ("was not settled", books(booked(settled=None))),
        ("was settled at 9", books(booked(settled=Decimal(9)))),
        ("was given back", books(booked(refunded=Decimal("0.000001")))),
        ("the accounts say", replace(GOOD, accounts={"revenue": Decimal(1), "project": Decimal(-1)})),
        ("mended", replace(GOOD, audits=("The audit of quotas had to be mended.",))),
    ],
)
def test_bad_books_are_found(words, bad):
    assert [sentence for sentence in checks.wrong(bad, []) if words in sentence]


def test_who_was_told_to_end_is_not_committed_to_its_limit_any_more():
    after = booked(2, "blue", gpus=4, began=11.0)
    assert list(checks.of_the_budget(books(booked(1, "blue", gpus=3), after)))
    assert list(checks.of_the_budget(books(booked(1, "blue", gpus=3, leaves_from=10.5), after))) == []


@pytest.mark.parametrize(
    ("words", "seen"),
    [
        ("nothing was held for it", run(job=9)),
        ("and was held from", run(began=9.0)),
        ("and was held from", run(last=21.0)),
        ("and ran for", run()),
    ],
)
def test_what_ran_otherwise_than_it_was_held_and_paid_for_is_found(words, seen):
    bad = books(booked(settled=Decimal("0.000002")))
    assert [sentence for sentence in checks.wrong(bad, [seen]) if words in sentence]


def test_what_ends_as_another_begins_is_not_held_at_the_same_moment():
    assert not list(
        checks.of_limits(books(booked(1, "green", gpus=2), booked(2, "green", gpus=2, began=20.0, ended=30.0)))
    )


@pytest.mark.parametrize(("gpus", "cpus"), [(7, 15), (5, 11), (3, 7), (1, 3)])
def test_every_job_of_a_storm_belongs_to_somebody_who_may_run_it(gpus, cpus):
    those = {one.slug: one for one in tree.members(gpus, cpus)}
    assert (sum(one.gpus for one in those.values()), sum(one.cpus for one in those.values())) == (gpus, cpus)
    plans = [one for one in plan_jobs(3, 500, 60.0) if one.gpus * one.nodes <= gpus and one.cpus * one.nodes <= cpus]
    for plan in tree.spread(plans, tuple(those.values()), 3):
        most = those[plan.project].most
        assert plan.gpus * plan.nodes <= most[0]
        assert plan.cpus * plan.nodes <= most[1]
        assert plan.project != tree.HARD or plan.gpus * plan.nodes <= tree.HARD_GPUS
