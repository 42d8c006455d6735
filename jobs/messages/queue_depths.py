"""How many messages wait in the broker, by Celery queue. It asks the broker itself, within a time limit."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from celery import current_app
from django.conf import settings
from kombu.exceptions import ChannelError

from jobs.messages.routing import CONTROL_QUEUE, node_queues

LINK_SECONDS = 0.5
"""To connect, and for each answer."""
ALL_SECONDS = 1.5
AT_ONCE = 2_000


class BrokerState(NamedTuple):
    """What a broker is, and how many messages wait in it: in queues that hold any, and the control worker's."""

    version: str
    depths: dict[str, int]
    whole: bool
    """Whether all queues were asked within the time."""


def ask(nodes: Sequence[str]) -> BrokerState:
    """Of the queues of these nodes and the control worker's. Raises whatever keeps the broker from answering; TimeoutError at last."""
    threads = ThreadPoolExecutor(1, thread_name_prefix="queue-depths")
    try:
        return threads.submit(_ask, nodes).result(timeout=ALL_SECONDS)
    finally:
        threads.shutdown(wait=False)


def _ask(nodes: Sequence[str]) -> BrokerState:
    until = time.monotonic() + ALL_SECONDS - LINK_SECONDS
    limits = {"socket_timeout": LINK_SECONDS, "socket_connect_timeout": LINK_SECONDS}
    options = {**settings.CELERY_BROKER_TRANSPORT_OPTIONS, **limits}
    names = [CONTROL_QUEUE, *(queue for node in nodes for queue in node_queues(node))]
    with current_app.connection_for_read(settings.BROKER_URL, transport_options=options) as link:
        opened = link.transport.establish_connection()  # once: `connect` would try again after a pause
        try:
            if link.transport.driver_type == "redis":
                return _of_redis(link.transport.create_channel(opened), names, until)
            return _of_amqp(opened, names, until)
        finally:
            link.transport.close_connection(opened)


def _of_redis(channel: Any, names: Sequence[str], until: float) -> BrokerState:
    """A list for each step of priority; one that is empty is not there."""
    told = channel.client.info("server")
    steps = [(name, channel._q_for_pri(name, step)) for name in names for step in channel.priority_steps]  # noqa: SLF001
    depths = {CONTROL_QUEUE: 0}
    for start in range(0, len(steps), AT_ONCE):
        if time.monotonic() > until:
            return BrokerState(_redis_version(told), depths, whole=False)
        some = steps[start : start + AT_ONCE]
        with channel.client.pipeline(transaction=False) as pipe:
            for _, key in some:
                pipe.llen(key)
            for (name, _), length in zip(some, pipe.execute(), strict=True):
                if length:
                    depths[name] = depths.get(name, 0) + length
    return BrokerState(_redis_version(told), depths, whole=True)


def _redis_version(told: dict[str, Any]) -> str:
    if "valkey_version" in told:
        return f"Valkey {told['valkey_version']}"
    return f"Redis {told.get('redis_version', '?')}"


def _of_amqp(opened: Any, names: Sequence[str], until: float) -> BrokerState:
    """One question a queue; of one that is not there yet the answer is an error, and the channel gone."""
    product = opened.server_properties
    version = f"{product.get('product', 'AMQP')} {product.get('version', '?')}"
    depths = {CONTROL_QUEUE: 0}
    channel = opened.channel()
    for name in names:
        if time.monotonic() > until:
            return BrokerState(version, depths, whole=False)
        try:
            length = channel.queue_declare(name, passive=True).message_count
        except ChannelError:
            channel = opened.channel()
            continue
        if length:
            depths[name] = length
    return BrokerState(version, depths, whole=True)
