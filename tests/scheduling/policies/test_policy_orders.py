"""What each policy puts first, by the formula that its file states."""

from dataclasses import replace

import pytest

from scheduling.planning.ordering import order_pending
from scheduling.policies import backfill_mode
from scheduling.policies.multifactor import Multifactor
from scheduling.resources import Request
from scheduling.rules import DAY, HOUR, Backfill, Rules, Weights
from scheduling.snapshot import ProjectView, UsageView
from tests.scheduling.builders import snapshot, waiting

NOW = 10 * DAY


def order(policy, *jobs, rules=None, **world):
    seen = replace(snapshot(*jobs), rules=replace(rules or Rules(), policy=policy), **world)
    return [job.id for job in order_pending(seen, NOW).jobs]


def test_under_priority_a_job_gains_points_as_it_waits():
    old, new = waiting(1, priority=40, submitted_at=NOW - 11 * HOUR), waiting(2, priority=50, submitted_at=NOW)

    assert order("priority", old, new) == [2, 1]
    assert order("priority", old, new, rules=Rules(ageing_points_per_hour=1)) == [1, 2]


def test_sjf_goes_by_what_was_learned_then_by_what_the_owner_expects_then_by_the_limit():
    jobs = (
        waiting(1, max_runtime_seconds=100),
        waiting(2, max_runtime_seconds=900, estimated_runtime_seconds=50),
        waiting(3, max_runtime_seconds=900, estimated_runtime_seconds=999, predicted_seconds=10.0),
    )

    assert order("sjf", *jobs) == [3, 2, 1]


def test_sjf_never_expects_more_than_the_limit():
    jobs = (waiting(1, max_runtime_seconds=100), waiting(2, max_runtime_seconds=90, predicted_seconds=5000.0))

    assert order("sjf", *jobs) == [2, 1]


def test_edf_goes_by_deadline_and_then_by_priority():
    jobs = (
        waiting(1, priority=90),
        waiting(2, priority=10),
        waiting(3, deadline=NOW + 9),
        waiting(4, deadline=NOW + 5),
    )

    assert order("edf", *jobs) == [4, 3, 1, 2]


@pytest.mark.parametrize("policy", ["fifo", "backfill"])
def test_first_come_first_served_is_just_that(policy):
    assert order(policy, waiting(1, priority=0, submitted_at=2), waiting(2, priority=100, submitted_at=3)) == [1, 2]


def test_fairshare_puts_first_who_has_used_less_and_then_goes_by_priority():
    jobs = (waiting(1, owner="ann"), waiting(2, owner="bob", priority=10), waiting(3, owner="bob", priority=90))
    usage = (UsageView("vision", "ann", 1000.0), UsageView("vision", "bob", 10.0))

    assert order("fairshare", *jobs, usage=usage) == [3, 2, 1]


def test_multifactor_adds_up_what_speaks_for_a_job():
    rules = Rules(weights=Weights(age=100, fair_share=0, priority=1000, size=10, deadline=50), age_full_seconds=DAY)
    job = waiting(1, priority=30, submitted_at=NOW - DAY / 2, deadline=NOW + DAY + HOUR, request=Request(cpus=40))
    job = replace(job, max_runtime_seconds=int(HOUR))

    ready = Multifactor().prepare(replace(snapshot(job), rules=rules), NOW)

    # 80 CPUs in all: 40 are half of them; a day of slack is worth half.
    assert ready.points(job, NOW) == {"age": 50, "fair_share": 0, "priority": 300, "size": 5, "deadline": 25}


def test_multifactor_with_one_weight_is_that_order():
    jobs = (waiting(1, owner="ann", priority=90), waiting(2, owner="bob", priority=10))
    usage = (UsageView("vision", "ann", 1000.0),)
    none = Weights(0, 0, 0, 0, 0)

    assert order("multifactor", *jobs, rules=Rules(weights=replace(none, priority=1))) == [1, 2]
    assert order("multifactor", *jobs, rules=Rules(weights=replace(none, fair_share=1)), usage=usage) == [2, 1]


def test_the_backfill_policy_is_never_run_without_backfilling():
    assert backfill_mode(Rules(policy="backfill", backfill=Backfill.NONE)) is Backfill.EASY
    assert backfill_mode(Rules(policy="fifo", backfill=Backfill.NONE)) is Backfill.NONE


def test_projects_of_one_platform_are_ranked_in_one_tree():
    jobs = (waiting(1, project="vision"), waiting(2, project="speech"))
    projects = (ProjectView("vision"), ProjectView("speech"))

    assert order("fairshare", *jobs, projects=projects, usage=(UsageView("vision", "", 5.0),)) == [2, 1]
