"""When an agent counts as deaf, and when its silence has another reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executors.node.queue_probe import QueueProbe
from workers.heartbeats import QueueProbeResult

EVERY, DEAF_AFTER = 10, 40


class Agent:
    """A hearing on a clock of the test's own, with a broker that can be switched off."""

    def __init__(self):
        self.now = 0.0
        self.broker_up = True
        self.rings = 0
        self.hearing = QueueProbe(ring=self.ring, every=EVERY, deaf_after=DEAF_AFTER, clock=lambda: self.now)

    def ring(self):
        self.rings += self.broker_up
        return self.broker_up

    def live(self, seconds, *, hears=True, busy=False):
        """Second by second, as the watch does; says whether it was ever found deaf."""
        deaf = False
        for _ in range(seconds):
            self.now += 1
            before = self.rings
            self.hearing.probe(busy=busy)
            if hears and self.rings > before:
                self.hearing.answered()
            deaf = deaf or self.hearing.unresponsive
        return deaf


@pytest.fixture
def agent():
    return Agent()


def test_who_hears_its_rings_is_consuming(agent):
    assert not agent.live(300)
    assert agent.hearing.says().consuming is True


def test_nothing_is_known_before_the_first_ring_came_through(agent):
    assert agent.hearing.says() == QueueProbeResult(None, None)


def test_who_does_not_hear_while_the_broker_takes_its_rings_is_found_within_a_minute(agent):
    agent.live(100)
    assert agent.live(DEAF_AFTER + EVERY + 1, hears=False)
    assert agent.hearing.says().consuming is False


def test_a_broker_that_is_away_makes_nobody_deaf(agent):
    agent.live(100)
    agent.broker_up = False
    assert not agent.live(1000, hears=False)
    assert agent.hearing.says().consuming is None


def test_after_the_broker_came_back_the_time_starts_anew(agent):
    agent.live(30, hears=False)
    agent.broker_up = False
    agent.live(60, hears=False)
    agent.broker_up = True
    assert not agent.live(DEAF_AFTER, hears=False)
    assert agent.live(EVERY, hears=False)


def test_an_agent_without_a_free_thread_is_not_deaf_and_rings_no_more(agent):
    assert not agent.live(1000, hears=False, busy=True)
    assert agent.rings == 0


def test_a_deaf_agent_leaves_few_rings_in_its_queue(agent):
    agent.live(DEAF_AFTER + EVERY, hears=False)
    assert agent.rings <= DEAF_AFTER / EVERY + 1


def test_an_old_ring_proves_hearing_too(agent):
    agent.live(DEAF_AFTER - 1, hears=False)
    agent.hearing.answered()
    assert not agent.live(EVERY, hears=False)


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(1, 60)), max_size=12))
def test_whoever_is_found_deaf_heard_nothing_for_long_while_the_broker_took_every_ring(periods):
    agent = Agent()
    heard = taken = refused = 0.0
    for broker_up, hears, seconds in periods:
        agent.broker_up = broker_up
        for _ in range(seconds):
            rings = agent.rings
            deaf = agent.live(1, hears=hears)
            taken = agent.now if agent.rings > rings else taken
            heard = agent.now if agent.rings > rings and hears else heard
            refused = agent.now if not broker_up and agent.now - taken >= EVERY else refused
            assert not deaf or agent.now - max(heard, refused) >= DEAF_AFTER
