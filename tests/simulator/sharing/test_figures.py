"""What a replay cost, what was borrowed in it and how evenly it went: added up by the rules of the platform."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.sharing.prices import Price, Target
from scheduling.snapshot import Limits, LoanLimits, ProjectView
from simulator.cluster import nodes_of
from simulator.experiment import Experiment
from simulator.metrics import mean_over
from simulator.settings import Rules, Settings
from simulator.sharing.figures import Sharing
from simulator.sharing.price_table import EVER, ZERO, PriceTable
from simulator.sharing.projects import Projects
from tests.simulator.builders import job

HOUR = 3600
TREE = (
    ProjectView("team"),
    ProjectView("vision", "team", Limits(gpus=8)),
    ProjectView("speech", "team", Limits(gpus=8, borrowing=LoanLimits(gpus=4))),
)
BY_GPU = PriceTable((Price(Target.GPU_MODEL, Decimal("2.50"), EVER),), "EUR")


def gpu_job(number, submit, run, gpus, project, user="ada"):
    made = job(number, submit, run)
    return replace(made, trace=replace(made.trace, cpus=0, gpus=gpus, group=project, user=user))


def replayed(*jobs, policy="fifo", tree=TREE, prices=BY_GPU, grace_s=0.0, checkpoint_s=None, nodes="2x64x8"):
    sharing = Sharing(Projects(tree) if tree else None, prices)
    experiment = Experiment("trace", nodes_of(nodes), (list(jobs),), "", {}, sharing)
    rules = Rules(policy=policy, explain=False)
    return experiment.run(Settings(rules, grace_s=grace_s, checkpoint_s=checkpoint_s))


def test_a_run_costs_what_it_held_until_its_nodes_were_free_again():
    found = replayed(gpu_job(0, 0, HOUR, 8, "vision"), gpu_job(1, 0, HOUR // 2, 2, "speech")).metrics
    assert (found.cost, found.lost_cost) == (Decimal("22.5"), 0)
    assert (found.borrowed_hours, found.given_back, found.max_quota_wait_s) == (0, 0, None)


def test_each_part_of_a_run_has_the_price_of_its_time():
    change = ZERO + timedelta(minutes=45)
    table = PriceTable(
        (Price(Target.CPU, Decimal("0.04"), EVER, change), Price(Target.CPU, Decimal("0.06"), change)), "EUR"
    )
    assert replayed(job(0, 0, HOUR, 4), tree=None, prices=table, nodes="1x4x0").metrics.cost == Decimal("0.18")


def test_quota_comes_back_within_the_grace_and_what_a_stop_takes_is_paid_for():
    found = replayed(
        gpu_job(0, 0, 4 * HOUR, 8, "speech"),
        gpu_job(1, 0, 4 * HOUR, 4, "speech"),
        gpu_job(2, HOUR, HOUR, 8, "vision"),
        grace_s=60.0,
        checkpoint_s=1800.0,
    )
    metrics = found.metrics
    assert (metrics.given_back, metrics.mean_quota_wait_s, metrics.max_quota_wait_s) == (1, 60, 60)
    stopped = next(run for run in found.outcome.runs if run.lost_s)
    assert (stopped.start, stopped.end, stopped.lost_s) == (0, HOUR + 60, 60)  # the hour was saved, the grace was not
    gpus = stopped.width
    assert metrics.lost_cost == round(Decimal("2.50") * int(gpus) * 60 / HOUR, 6)
    assert metrics.cost == round(Decimal("2.50") * (48 + 8), 6) + metrics.lost_cost
    assert metrics.borrowed_hours == metrics.lent_hours > 4


def test_who_has_to_wait_for_others_makes_it_uneven():
    tree = (ProjectView("vision"), ProjectView("speech"))
    even = replayed(
        gpu_job(0, 0, HOUR, 8, "vision"),
        gpu_job(1, 0, HOUR, 8, "speech", "bob"),
        gpu_job(2, HOUR, 1, 1, "speech"),
        tree=tree,
    )
    uneven = replayed(
        gpu_job(0, 0, HOUR, 16, "vision"),
        gpu_job(1, 0, HOUR, 16, "speech", "bob"),
        gpu_job(2, HOUR, 1, 1, "speech"),
        tree=tree,
    )
    assert even.metrics.project_fairness == even.metrics.user_fairness == pytest.approx(1)
    assert uneven.metrics.project_fairness == pytest.approx(0.5)
    assert uneven.metrics.user_fairness == pytest.approx(0.5)


def test_over_windows_money_and_hours_are_added_and_the_longest_wait_is_the_longest():
    one = replayed(gpu_job(0, 0, HOUR, 8, "vision")).metrics
    waits = replace(one, given_back=1, mean_quota_wait_s=60.0, max_quota_wait_s=60.0, borrowed_hours=2.0)
    both = mean_over([one, waits])
    assert (both.cost, both.given_back, both.borrowed_hours) == (Decimal(40), 1, 2)
    assert (both.mean_quota_wait_s, both.max_quota_wait_s) == (60, 60)


jobs = st.lists(
    st.tuples(
        st.integers(0, 6 * HOUR), st.integers(60, 3 * HOUR), st.integers(1, 8), st.sampled_from(["vision", "speech"])
    ),
    min_size=1,
    max_size=12,
)


@given(jobs, st.sampled_from(["fifo", "sjf", "priority"]))
def test_whatever_comes_all_that_was_held_is_paid_and_no_more_is_lent_than_borrowed(rows, policy):
    made = [gpu_job(number, *row) for number, row in enumerate(sorted(rows))]
    found = replayed(*made, policy=policy, grace_s=30.0, checkpoint_s=600.0)
    held = sum(run.width * (run.end - run.start) for run in found.outcome.runs) / HOUR
    kept = sum(run.width * (run.end - run.start - run.lost_s) for run in found.outcome.runs) / HOUR
    assert kept == pytest.approx(sum(one.trace.gpus * one.run_s for one in made) / HOUR)
    assert float(found.metrics.cost) == pytest.approx(2.5 * held, abs=1e-4)
    assert float(found.metrics.lost_cost) == pytest.approx(2.5 * (held - kept), abs=1e-4)
    assert 0 <= found.metrics.lent_hours <= found.metrics.borrowed_hours <= 4 * 100
    assert found.metrics.max_quota_wait_s is None or found.metrics.max_quota_wait_s <= 30
