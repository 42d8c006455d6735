"""A pool follows its demand at a pace: quickly up, slowly down, never below what holds jobs."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from scheduling.scaling.decision import DOWN, UP, Load, Moment, ScalingDecision, ScalingRules, decide
from scheduling.scaling.pools import NodePool, PoolDemand
from tests.scheduling.builders import cpu_node

POOL = NodePool("cpu", cpu_node("shape"), min_nodes=2, max_nodes=50)
STEP = 15.0


def wants(nodes: int, *, busy: int = 0, waiting: int = 0) -> PoolDemand:
    return PoolDemand("cpu", busy=busy, now=nodes, soon=nodes, waiting=waiting)


class Played:
    """A pool over time: each step it is told a demand and gets at once what was decided."""

    def __init__(self, nodes: int = 2, pool: NodePool = POOL, rules: ScalingRules | None = None) -> None:
        self.nodes, self.pool, self.rules = nodes, pool, rules
        self.now = 0.0
        self.history: tuple[Moment, ...] = ()
        self.course: list[int] = []

    def step(self, demand: PoolDemand, load: Load = Load()) -> ScalingDecision:  # noqa: B008 - a value
        decision = decide(self.pool, demand, self.nodes, self.history, self.now, self.rules, load)
        self.nodes, self.history = decision.nodes, decision.history
        self.now += STEP
        self.course.append(self.nodes)
        return decision

    def run(self, seconds: float, demand: PoolDemand) -> list[int]:
        begin = len(self.course)
        for _ in range(int(seconds / STEP)):
            self.step(demand)
        return self.course[begin:]


def test_a_pool_doubles_each_thirty_seconds_until_it_has_what_is_wanted():
    course = Played(8).run(150, wants(50))
    assert sorted(set(course)) == [16, 32, 50]


def test_from_nothing_it_begins_with_four():
    assert Played(0, replace(POOL, min_nodes=0)).run(15, wants(50)) == [4]


def test_a_demand_that_comes_and_goes_within_half_a_minute_changes_nothing():
    pool = Played(2)
    pool.run(60, wants(2))
    for _ in range(10):
        pool.step(wants(20))
        pool.step(wants(2))
    assert set(pool.course) == {2}


def test_it_shrinks_after_ten_quiet_minutes_by_a_quarter_each_two_minutes():
    pool = Played(40)
    pool.run(60, wants(40))
    assert set(pool.run(600, wants(2))) == {40}
    course = pool.run(600, wants(2))
    assert [course[0], *course[8::8]][:3] == [30, 22, 16]


def test_it_never_has_fewer_than_hold_jobs():
    pool = Played(10)
    pool.run(3_600, wants(0, busy=7))
    assert pool.nodes == 7


def test_least_and_most_hold():
    assert Played(2).step(wants(0)).nodes == 2
    pool = Played(2)
    pool.run(600, wants(500))
    assert pool.nodes == 50


def test_load_asks_for_more_only_where_somebody_waits():
    assert Played(10).step(wants(10, busy=10), Load(cpu=0.95)).wanted == 10
    assert Played(10).step(wants(11, busy=10, waiting=3), Load(cpu=0.95)).wanted == 13
    assert Played(10).step(wants(11, busy=10, waiting=3), Load(memory=0.96)).wanted == 12


def test_more_than_ten_waiting_jobs_a_node_ask_for_more():
    assert Played(2).step(wants(3, busy=2, waiting=100)).wanted == 10


def test_spare_nodes_come_on_top_of_what_is_used_and_not_on_top_of_nothing():
    spare = replace(POOL, min_nodes=0, spare_nodes=2)
    assert Played(10, spare).step(wants(10, busy=10)).wanted == 12
    assert Played(0, spare).step(wants(0)).wanted == 0


def test_it_says_what_holds_it():
    pool = Played(8)
    assert pool.step(wants(50)).why == "at most 100 % in 30 seconds"
    assert pool.step(wants(500)).why == "at most 100 % in 30 seconds"
    quiet = Played(8)
    quiet.run(60, wants(8))
    assert quiet.step(wants(2)).why == "not wanted all through the last 600 seconds"


@given(st.lists(st.integers(0, 80), min_size=1, max_size=200), st.integers(0, 50))
def test_within_any_period_it_changes_by_no_more_than_its_pace(wanted, start):
    pool = Played(max(2, start))
    counts = [pool.nodes, *(pool.step(wants(one)).nodes for one in wanted)]
    for at, after in enumerate(counts):
        before_up = counts[max(0, at - int(UP.period_seconds / STEP) + 1) : at + 1]
        least = min(before_up)
        assert after <= max(least * 2, least + UP.nodes)
        before_down = counts[max(0, at - int(DOWN.period_seconds / STEP) + 1) : at + 1]
        assert after >= min(int(max(before_down) * 0.75), max(before_down) - DOWN.nodes)
    assert all(min(POOL.min_nodes, start) <= count <= max(POOL.max_nodes, start) for count in counts)


@given(st.lists(st.integers(0, 80), min_size=1, max_size=300))
def test_a_node_that_was_added_stays_for_ten_minutes(wanted):
    """No flapping: after it has grown it does not shrink within the window."""
    pool = Played(2)
    last_up = None
    for one in wanted:
        before = pool.nodes
        after = pool.step(wants(one)).nodes
        if after > before:
            last_up = pool.now
        if after < before and last_up is not None:
            assert pool.now - last_up >= DOWN.window_seconds - UP.window_seconds


def test_history_is_no_longer_than_the_windows():
    pool = Played(2)
    pool.run(7_200, wants(2))
    assert len(pool.history) <= DOWN.window_seconds / STEP + 2
