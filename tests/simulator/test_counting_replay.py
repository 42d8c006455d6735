"""Counting processors starts every job when the planner does, whatever the trace."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

from scheduling.placement import STRATEGIES
from simulator.cleaning import CleanJob, clean
from simulator.cluster import pool
from simulator.counting_replay import CountingReplay, is_exact
from simulator.replay import Replay
from simulator.settings import Backfill, Rules, RunTimes, Settings, Ties
from simulator.synthetic import Recipe, generate
from simulator.trace import TraceJob

PROCESSORS = 6
ROWS = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 0, 1, 2, 5, 0.1, 0.7, 12]),  # since the one before came
        st.sampled_from([1, 2, 3, 5, 0.3, 8, 12.5, 20, 40]),  # run time
        st.integers(1, PROCESSORS),
        st.sampled_from([None, "run", 1, 2, 5, 10, 20, 40]),  # walltime: some run longer, and are late
        st.sampled_from(["", "ann", "ann", "bob"]),
        st.sampled_from(["", "lab"]),
        st.sampled_from([None, 10, 90]),  # priority
        st.sampled_from([None, 20, 60]),  # until the deadline
    ),
    min_size=1,
    max_size=30,
)


@st.composite
def traces(draw):
    jobs, now = [], draw(st.sampled_from([0, 0.5, 1_700_000_000]))
    for number, (gap, run, width, limit, user, group, priority, deadline) in enumerate(draw(ROWS)):
        now += gap
        walltime = math.ceil(run) if limit == "run" else limit
        who = {"user": user, "group": group, "priority": priority, "deadline_s": deadline and now + deadline}
        jobs.append(CleanJob(number, run, walltime, TraceJob(str(number), number + 1, now, run, cpus=width, **who)))
    return jobs


RULES = st.builds(
    Rules,
    overdue_ahead=st.sampled_from([0, 1, 2, 8]),
    overdue_depth=st.sampled_from([0, 1]),
    bounded_wait_seconds=st.sampled_from([None, 5, 12.5, 30]),
    assumed_limit_seconds=st.sampled_from([7.0, 30.0]),
    placement=st.sampled_from(list(STRATEGIES)),
    explain=st.just(False),
)


@pytest.mark.parametrize("backfill", ["none", "easy", "sjbf"])
@pytest.mark.parametrize("policy", ["fifo", "backfill", "sjf", "edf", "responsive", "priority"])
@how(max_examples=25)
@given(traces(), RULES, st.sampled_from(list(Ties)), st.sampled_from(list(RunTimes)))
def test_both_give_the_same_outcome(policy, backfill, jobs, rules, ties, run_times):
    settings = Settings(replace(rules, policy=policy, backfill=backfill), ties, run_times)
    assert is_exact(pool(PROCESSORS), settings.rules)

    counted = CountingReplay(jobs, pool(PROCESSORS), settings).run()
    planned = Replay(jobs, pool(PROCESSORS), settings).run()

    assert counted == planned


@pytest.mark.parametrize("ties", list(Ties))
@pytest.mark.parametrize(
    ("rules", "run_times"),
    [
        (Rules(policy="fifo", explain=False), RunTimes.REQUESTED),
        (Rules(policy="responsive", bounded_wait_seconds=20_000, explain=False), RunTimes.LEARNED),
        (Rules(policy="responsive", explain=False), RunTimes.LEARNED),
        (
            Rules(policy="responsive", backfill=Backfill.SJBF, bounded_wait_seconds=20_000, explain=False),
            RunTimes.LEARNED,
        ),
    ],
    ids=["easy", "responsive", "responsive with what it learns", "responsive by sjbf"],
)
def test_both_give_the_same_on_a_busy_machine(rules, run_times, ties):
    jobs = clean(generate(Recipe(400, 5), 64)).jobs
    settings = Settings(rules, ties, run_times)

    counted = CountingReplay(jobs, pool(64), settings).run()

    assert counted == Replay(jobs, pool(64), settings).run()
    assert any(one.wait_s for one in counted.jobs)
