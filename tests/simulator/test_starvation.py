"""Under `responsive` nobody waits for ever, however many shorter jobs keep coming, with nothing known at first."""

from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

from simulator.cluster import pool
from simulator.counting_replay import CountingReplay
from simulator.settings import Rules, Settings
from tests.simulator.builders import jobs, starts

PROCESSORS = 8
HOUR = 3_600
STREAM = 3_000


@how(max_examples=15)
@given(
    width=st.integers(1, PROCESSORS),
    runs=st.integers(HOUR, 40 * HOUR),
    every=st.integers(60, 90),
    stated=st.sampled_from([None, None, 10 * HOUR]),
)
def test_a_long_job_starts_while_short_ones_keep_the_pool_full(width, runs, every, stated):
    """Each short job takes all of the pool for longer than it is until the next one comes."""
    stream = [(number * every, 100, PROCESSORS) for number in range(STREAM)]
    rows = sorted([*stream, (1, runs, width)])
    [long] = [number for number, row in enumerate(rows) if row[1] == runs]
    rules = Rules(policy="responsive", bounded_wait_seconds=stated, explain=False)

    outcome = CountingReplay(jobs(*rows), pool(PROCESSORS), Settings(rules)).run()

    begun = starts(outcome)[long]
    assert begun < max(start for number, start in starts(outcome).items() if number != long)
    assert stated is None or begun <= stated + 200
