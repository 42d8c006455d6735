"""The drill's brokers: every refusal is one and can be taken back, and the one that follows can take the other's place."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
import redis

from chaos import brokers, refusals
from chaos.network import Network
from local_stack.servers.valkey import ValkeyServer
from tests.servers import Broker
from tests.waiting import wait_for


@pytest.mark.parametrize("number", range(len(refusals.REFUSALS)), ids=lambda number: refusals.REFUSALS[number].__name__)
def test_a_broker_refuses_until_it_is_told_to_grant_again(broker: Broker, number: int):
    with brokers.client(ValkeyServer(broker.server.data, broker.server.port, "secret")) as administrator:
        administrator.ping()
        refusals.refuse(administrator, number / len(refusals.REFUSALS))
        wait_for(lambda: not takes(broker.url), 10, "a refusal")
        refusals.grant(administrator, "secret")

        assert takes(broker.url)


def test_the_follower_takes_the_place_of_its_master_and_has_what_it_had(tmp_path):
    first, second = brokers.pair(tmp_path)
    network = Network()
    with running(first), running(second, follows=first):
        line = network.proxy(first.port)
        with redis.Redis.from_url(first.url.replace(str(first.port), str(line.port))) as user:
            user.lpush("tickets", "one")
            wait_for(lambda: brokers.follows(second), 20, "the follower to have it")
            assert not takes(second.url)

            brokers.promote(second)
            line.lead_to(second.port)

            wait_for(lambda: tells(user, "tickets", b"one"), 10, "the other broker to answer")
            assert takes(second.url)
    network.close()


@contextmanager
def running(server: ValkeyServer, follows: ValkeyServer | None = None) -> Iterator[None]:
    server.prepare()
    if follows:
        brokers.follow(server, follows)
    with subprocess.Popen(server.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_for(server.is_ready, 20, "a broker")
        yield
        process.kill()


def takes(url: str) -> bool:
    with suppress(redis.RedisError), redis.Redis.from_url(url) as client:
        return bool(client.lpush("something", "else"))
    return False


def tells(client: redis.Redis, name: str, what: bytes) -> bool:
    with suppress(redis.RedisError):
        return client.lrange(name, 0, -1) == [what]
    return False
