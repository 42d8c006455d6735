"""When an agent counts as unresponsive, and when its silence has another reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executors.celery_worker import queue_probe
from executors.celery_worker.queue_probe import ProbeLoop, QueueProbe
from workers.heartbeats import QueueProbeResult

EVERY, UNRESPONSIVE_AFTER = 10, 40


class Agent:
    """A probed queue on a clock of the test's own, with a broker that can be switched off."""

    def __init__(self):
        self.now = 0.0
        self.broker_up = True
        self.sent = 0
        self.probe = QueueProbe(
            send=self.send, every=EVERY, unresponsive_after=UNRESPONSIVE_AFTER, clock=lambda: self.now
        )

    def send(self):
        self.sent += self.broker_up
        return self.broker_up

    def live(self, seconds, *, reached=True, busy=False):
        """Second by second, as its loop does; says whether it was ever found unresponsive."""
        unresponsive = False
        for _ in range(seconds):
            self.now += 1
            before = self.sent
            self.probe.probe(busy=busy)
            if reached and self.sent > before:
                self.probe.answered()
            unresponsive = unresponsive or self.probe.unresponsive
        return unresponsive


@pytest.fixture
def agent():
    return Agent()


def test_who_gets_its_probes_is_consuming(agent):
    assert not agent.live(300)
    assert agent.probe.result().consuming is True


def test_nothing_is_known_before_the_first_probe_came_through(agent):
    assert agent.probe.result() == QueueProbeResult(None, None)


def test_who_gets_nothing_while_the_broker_takes_its_probes_is_found_within_a_minute(agent):
    agent.live(100)
    assert agent.live(UNRESPONSIVE_AFTER + EVERY + 1, reached=False)
    assert agent.probe.result().consuming is False


def test_a_broker_that_is_away_makes_nobody_unresponsive(agent):
    agent.live(100)
    agent.broker_up = False
    assert not agent.live(1000, reached=False)
    assert agent.probe.result().consuming is None


def test_after_the_broker_came_back_the_time_starts_anew(agent):
    agent.live(30, reached=False)
    agent.broker_up = False
    agent.live(60, reached=False)
    agent.broker_up = True
    assert not agent.live(UNRESPONSIVE_AFTER, reached=False)
    assert agent.live(EVERY, reached=False)


def test_an_agent_without_a_free_thread_is_not_unresponsive_and_sends_no_more(agent):
    assert not agent.live(1000, reached=False, busy=True)
    assert agent.sent == 0


def test_an_unresponsive_agent_leaves_few_probes_in_its_queue(agent):
    agent.live(UNRESPONSIVE_AFTER + EVERY, reached=False)
    assert agent.sent <= UNRESPONSIVE_AFTER / EVERY + 1


def test_an_old_probe_proves_as_much(agent):
    agent.live(UNRESPONSIVE_AFTER - 1, reached=False)
    agent.probe.answered()
    assert not agent.live(EVERY, reached=False)


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(1, 60)), max_size=12))
def test_whoever_is_found_unresponsive_got_nothing_for_long_while_the_broker_took_every_probe(periods):
    agent = Agent()
    answered = taken = refused = 0.0
    for broker_up, reached, seconds in periods:
        agent.broker_up = broker_up
        for _ in range(seconds):
            sent = agent.sent
            unresponsive = agent.live(1, reached=reached)
            taken = agent.now if agent.sent > sent else taken
            answered = agent.now if agent.sent > sent and reached else answered
            refused = agent.now if not broker_up and agent.now - taken >= EVERY else refused
            assert not unresponsive or agent.now - max(answered, refused) >= UNRESPONSIVE_AFTER


@pytest.mark.parametrize(("stopped", "told"), [(False, [1]), (True, [])])
def test_the_loop_tells_of_an_unresponsive_agent_once_and_never_of_one_that_drains(monkeypatch, stopped, told):
    monkeypatch.setattr(queue_probe, "LOOK_SECONDS", 0)
    found: list[int] = []
    probe = QueueProbe(send=lambda: True, every=0, unresponsive_after=0)
    loop = ProbeLoop(probe, busy=lambda: False, on_unresponsive=lambda: found.append(1))
    if stopped:
        loop.stop()
    loop.start()
    loop.join(10)
    assert (found, loop.is_alive()) == (told, False)
