"""The direction of priorities, on both kinds of broker."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.messages.routing import broker_priority, node_queues, route
from scheduling.priorities import class_of

PRIORITIES = st.integers(0, 100)


def test_a_queue_is_keyed_by_hardware_class_and_node():
    assert route(hardware="gpu", priority=90, node="n1", transport="redis").queue == "gpu.urgent.n1"
    assert route(hardware="cpu", priority=50, node="n1", transport="redis").queue == "cpu.normal.n1"
    assert route(hardware="cpu", priority=0, node="n2", transport="amqp").queue == "cpu.background.n2"


def test_an_agent_consumes_its_queues_most_urgent_first():
    assert node_queues("n1") == [
        "gpu.urgent.n1", "cpu.urgent.n1", "gpu.normal.n1", "cpu.normal.n1", "gpu.background.n1", "cpu.background.n1",
    ]  # fmt: skip


@pytest.mark.parametrize(("transport", "top", "bottom"), [("redis", 0, 9), ("amqp", 9, 0)])
def test_the_ends_of_the_scale(transport, top, bottom):
    assert broker_priority(100, transport) == top
    assert broker_priority(0, transport) == bottom


@given(PRIORITIES, PRIORITIES)
def test_on_redis_a_higher_priority_is_never_a_higher_number(one, other):
    high, low = max(one, other), min(one, other)
    assert broker_priority(high, "redis") <= broker_priority(low, "redis")


@given(PRIORITIES, PRIORITIES)
def test_classes_never_share_a_message_priority(one, other):
    """On Redis message priority beats queue order, so a step must belong to one class."""
    if class_of(one) != class_of(other):
        assert broker_priority(one, "redis") != broker_priority(other, "redis")


@given(PRIORITIES)
def test_rabbitmq_counts_the_other_way_round(priority):
    assert broker_priority(priority, "amqp") == 9 - broker_priority(priority, "redis")
