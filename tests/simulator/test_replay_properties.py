"""What holds of every replay, whatever the trace."""

from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.settings import Ties
from tests.simulator.builders import jobs, replayed

PROCESSORS = 8
ROWS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(1, 30), st.integers(1, PROCESSORS), st.integers(0, 20)),
    min_size=1,
    max_size=25,
)


def trace(rows):
    return jobs(*((submit, run, width, run + slack) for submit, run, width, slack in sorted(rows)))


def most_in_use(runs):
    changes = [(run.start, run.width) for run in runs] + [(run.end, -run.width) for run in runs]
    used = most = 0
    for _, change in sorted(changes):  # at one moment who leaves comes first
        used += change
        most = max(most, used)
    return most


@settings(max_examples=40)
@given(ROWS, st.sampled_from(["none", "easy", "sjbf", "conservative"]), st.sampled_from(list(Ties)))
def test_every_job_runs_once_in_full_after_it_came_and_within_the_pool(rows, backfill, ties):
    wanted = trace(rows)

    outcome = replayed(wanted, PROCESSORS, backfill=backfill, ties=ties)

    assert sorted(one.job.number for one in outcome.jobs) == [one.number for one in wanted]
    assert all(one.start >= one.job.trace.submit_s for one in outcome.jobs)
    assert all(one.end - one.start == one.job.run_s for one in outcome.jobs)
    assert most_in_use(outcome.runs) <= PROCESSORS


@settings(max_examples=20)
@given(ROWS)
def test_the_same_trace_gives_the_same_replay(rows):
    first, second = (replayed(trace(rows), PROCESSORS) for _ in range(2))

    assert first.jobs == second.jobs
