"""Under a floor nobody ends later than under plain backfilling, whatever comes: random traces, replayed both ways."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduling.rules import Preemption
from simulator.cluster import nodes_of, pool
from simulator.counting_floor import CountingFloorReplay
from simulator.replay import Replay
from simulator.settings import Rules, RunTimes, Settings, Ties
from tests.simulator.builders import job

EXACT = 1e-6
DIGITS = 6
CLUSTERS = (pool(8), nodes_of("8x1x0"), nodes_of("3x4x0"), nodes_of("2x8x4"), nodes_of("2x4x2,2x4x0"))

# Who starts at once on an idle platform, within the slack, may sit where its shadow will not be: that matters where jobs are packed.
SLACKENED = st.one_of(
    st.tuples(st.sampled_from(CLUSTERS), st.just(1.0)),
    st.tuples(st.sampled_from(CLUSTERS[:2]), st.sampled_from([0.0, 0.5])),
)


@st.composite
def traces(draw, over=()):
    """`over`: by how much limits may be overrun; then some jobs have none."""
    rows, now = [], 0
    for number in range(draw(st.integers(1, 25))):
        now += draw(st.sampled_from([0, 0, 1, 3, 10, 40]))
        run = draw(st.integers(1, 60))
        limit = max(1, run + draw(st.sampled_from([0, 1, 10, 100, *over])))
        one = job(number, now, run, draw(st.integers(1, 8)), walltime=limit, user=draw(st.sampled_from("ab")))
        rows.append(replace(one, walltime_s=None) if over and draw(st.booleans()) else one)
    return rows


def easy(rows, cluster):
    return ends(Replay(rows, cluster, Settings(Rules(policy="backfill", explain=False))).run())


def how(*, slack=0.0, every=5.0, share=1.0, most=3, takes=0.0, ties=Ties.NATURAL):
    rules = Rules(
        policy="floor",
        floor_slack=slack,
        preemption=Preemption(restart_cost_seconds=takes, max_per_job=most),
        explain=False,
    )
    return Settings(rules, ties, run_times=RunTimes.LEARNED, checkpoint_s=every, checkpointable=share, restart_s=takes)


def under_a_floor(rows, cluster, **settings):
    return Replay(rows, cluster, how(**settings)).run()


def ends(outcome):
    return {one.job.number: one.end for one in outcome.jobs}


@settings(max_examples=50)
@given(traces(), st.sampled_from(CLUSTERS), st.sampled_from([None, 1.0, 5.0, 30.0]), st.sampled_from([0.0, 0.5, 1.0]))
def test_nobody_ends_later_than_under_plain_backfilling(rows, cluster, every, share):
    floor = ends(under_a_floor(rows, cluster, every=every, share=share))
    plain = easy(rows, cluster)

    assert floor.keys() == plain.keys()
    assert {number: end for number, end in floor.items() if end > plain[number] + EXACT} == {}


@settings(max_examples=50)
@given(traces(over=(-5, -30)), st.sampled_from(CLUSTERS), st.sampled_from([0.0, 0.5, 1.0]))
def test_nobody_ends_later_either_where_jobs_have_no_limits_or_run_beyond_them(rows, cluster, share):
    floor = ends(under_a_floor(rows, cluster, share=share))
    plain = easy(rows, cluster)

    assert {number: end for number, end in floor.items() if end > plain[number] + EXACT} == {}


@settings(max_examples=50)
@given(traces(), SLACKENED, st.sampled_from([0.05, 0.5, 2.0]))
def test_with_slack_nobody_ends_later_than_by_that_part_of_the_longest_wait(rows, how_many, slack):
    cluster, share = how_many
    floor = ends(under_a_floor(rows, cluster, slack=slack, share=share))
    plain = easy(rows, cluster)
    longest = max(end - rows[number].trace.submit_s - rows[number].run_s for number, end in plain.items())

    assert max(end - plain[number] for number, end in floor.items()) <= slack * longest + EXACT


@settings(max_examples=50)
@given(traces(), st.sampled_from(CLUSTERS), st.integers(0, 3))
def test_nobody_is_stopped_more_often_than_allowed(rows, cluster, most):
    outcome = under_a_floor(rows, cluster, most=most)

    assert max(one.preemptions for one in outcome.jobs) <= most


@settings(max_examples=50)
@given(
    traces(),
    st.sampled_from([None, 1.0, 5.0, 30.0]),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.sampled_from([0.0, 0.05, 0.5]),
    st.sampled_from([0.0, 2.0]),
    st.sampled_from(Ties),
)
def test_on_a_pool_counting_gives_what_the_planner_would(rows, every, share, slack, takes, ties):
    settings = {"every": every, "share": share, "slack": slack, "takes": takes, "ties": ties}

    assert counted(rows, **settings) == planned(rows, **settings)


def test_where_work_takes_time_to_load_the_shadow_waits_for_it_also_where_it_is_counted():
    """Job 4 gives way to job 1 with a second saved, and takes two to go on from there: all behind it have their turn later."""
    rows = [
        job(0, 1, 4, 2),
        job(1, 2, 10, 7, user="b"),
        job(2, 2, 2, 2, walltime=3),
        job(4, 2, 12, 6, walltime=13),
        job(6, 6, 6, 3, walltime=16),
        job(7, 9, 12, 6, walltime=22),
        job(8, 9, 11, 4, walltime=21, user="b"),
        job(9, 9, 12, 6, user="b"),
    ]
    settings = {"every": 1.0, "share": 0.5, "takes": 2.0}

    assert counted(rows, **settings) == planned(rows, **settings)


def test_of_those_that_lose_as_much_the_same_are_stopped_whichever_way_that_is_summed_up():
    rows = [
        job(1, 20, 41, 3, user="b"),
        job(3, 30, 57, 7, walltime=58, user="a"),
        job(4, 30, 52, 5, walltime=53, user="b"),
        job(11, 75, 39, 4, walltime=40, user="a"),
        job(12, 78, 38, 2, walltime=39, user="b"),
        job(13, 78, 24, 6, walltime=34, user="b"),
        job(16, 81, 47, 2, walltime=57, user="b"),
        job(18, 92, 24, 8, walltime=25, user="b"),
    ]
    settings = {"every": 1.0, "slack": 0.05}

    assert counted(rows, **settings) == planned(rows, **settings)


def planned(rows, **settings):
    return in_order(under_a_floor(rows, pool(8), **settings))


def counted(rows, **settings):
    return in_order(CountingFloorReplay(rows, pool(8), how(**settings)).run())


def in_order(outcome):
    """The jobs by number; moments are sums of the same numbers in another order."""
    return [
        replace(one, start=round(one.start, DIGITS), end=round(one.end, DIGITS), lost_s=round(one.lost_s, DIGITS))
        for one in sorted(outcome.jobs, key=lambda one: one.job.number)
    ]


def test_within_the_slack_nobody_waits_who_would_be_in_nobodys_way():
    """Job 2 may not start before its turn, and the shadow is ten seconds behind since job 1 waited for a hundred."""
    rows = [job(0, 0, 100, 8), job(1, 0, 10, 8), job(2, 500, 10, 4)]

    outcome = under_a_floor(rows, pool(8), slack=0.1, share=0.0)

    assert {one.job.number: one.start for one in outcome.jobs}[2] == 500
