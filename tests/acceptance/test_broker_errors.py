"""A broker that answers with errors is away: nobody stops a job for it, and everybody goes on by themselves."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from jobs.models import Attempt
from tests.acceptance.conftest import publishing_to
from tests.acceptance.platform import Platform, history, submitted, wait_for_state
from tests.acceptance.test_faults import ONE_LIFE
from tests.servers import Broker, WatchedBroker
from tests.waiting import wait_for
from tests.wires import Wire

Refusal = Callable[[redis.Redis], None]


def read_only(client: redis.Redis) -> None:
    client.replicaof("127.0.0.1", 1)


def without_replicas(client: redis.Redis) -> None:
    client.config_set("min-replicas-to-write", 1)


def out_of_memory(client: redis.Redis) -> None:
    client.config_set("maxmemory", 1)


def disk_full(client: redis.Redis) -> None:
    """Saving fails, since there is a folder where the file should be; a write is then refused with MISCONF."""
    (Path(str(client.config_get("dir")["dir"])) / "dump.rdb").mkdir()
    client.config_set("stop-writes-on-bgsave-error", "yes")
    client.config_set("save", "3600 1000000")
    client.bgsave()
    wait_for(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err", 10, "a failed save")


def password_changed(client: redis.Redis) -> None:
    client.config_set("requirepass", "another")
    client.client_kill_filter(_type="normal", skipme=True)
    client.client_kill_filter(_type="pubsub", skipme=True)


def forbidden(client: redis.Redis) -> None:
    """An access list that was changed by mistake: NOPERM."""
    client.acl_setuser("default", categories=["-@write", "-@blocking"], enabled=True)
    client.client_kill_filter(_type="normal", skipme=True)


def nothing_is_refused(client: redis.Redis) -> None:
    client.replicaof("NO", "ONE")
    client.config_set("min-replicas-to-write", 0)
    client.config_set("maxmemory", 0)
    client.config_set("save", "")
    client.acl_setuser("default", categories=["+@all"], enabled=True)
    client.config_set("requirepass", "secret")


def refusals(client: redis.Redis) -> int:
    """How many errors the broker has answered."""
    return sum(each["count"] for each in client.info("errorstats").values())


REFUSALS = [read_only, without_replicas, out_of_memory, disk_full, password_changed, forbidden]


@pytest.fixture
def client(broker: Broker) -> Iterator[redis.Redis]:
    """A connection that was there before, and that no change of a password ends."""
    with redis.Redis.from_url(broker.url, single_connection_client=True) as connected:
        connected.ping()
        yield connected


@pytest.mark.parametrize("refuse", REFUSALS, ids=lambda refuse: refuse.__name__)
def test_jobs_outlive_a_broker_that_refuses_and_new_ones_start_when_it_does_not(
    platform: Platform, client: redis.Redis, tmp_path: Path, refuse: Refusal
):
    platform.start("n1", beat=True)
    gate = tmp_path / "gate"
    [running] = submitted(f"while ! test -e {gate}; do sleep 0.2; done")
    wait_for_state(running, "running", platform=platform)

    refuse(client)
    [meanwhile] = submitted("true")
    wait_for(lambda: refusals(client) >= 10, 30, "all to be refused a few times")
    nothing_is_refused(client)

    wait_for_state(meanwhile, "completed", timeout=60, platform=platform)
    gate.touch()
    assert history(wait_for_state(running, "completed", platform=platform)) == ONE_LIFE
    assert Attempt.objects.filter(job=running).count() == 1
    assert [name for name, process in platform.processes.items() if process.poll() is not None] == []


def test_a_broker_that_loads_its_data_is_waited_for(platform: Platform, broker: Broker, settings):
    wire = Wire(broker.server.port)
    platform.environment["BROKER_URL"] = broker.url.replace(str(broker.server.port), str(wire.port))
    platform.start("n1", beat=True)
    [running] = submitted("sleep 8")
    wait_for_state(running, "running", platform=platform)

    wire.answer(b"-LOADING Valkey is loading the dataset in memory\r\n")
    wait_for(lambda: "is loading" in platform.log("n1"), 30, "the agent to notice")
    [meanwhile] = submitted("true")
    wire.mend()

    assert history(wait_for_state(running, "completed", platform=platform)) == ONE_LIFE
    wait_for_state(meanwhile, "completed", timeout=60, platform=platform)
    wire.close()


@pytest.fixture
def watched_broker(tmp_path: Path) -> Iterator[WatchedBroker]:
    watched = WatchedBroker(tmp_path)
    watched.start()
    yield watched
    watched.close()


def test_jobs_outlive_a_failover_by_a_sentinel(platform: Platform, watched_broker: WatchedBroker, settings):
    platform.environment["BROKER_URL"] = watched_broker.url
    with publishing_to(watched_broker.url, settings):
        platform.start("n1", beat=True)
        [running] = submitted("sleep 8")
        wait_for_state(running, "running", platform=platform)
        before = watched_broker.master_port()

        watched_broker.fail_over()
        wait_for(lambda: watched_broker.master_port() != before, 30, "another master")
        [meanwhile] = submitted("true")

        wait_for_state(meanwhile, "completed", timeout=60, platform=platform)
        assert history(wait_for_state(running, "completed", platform=platform)) == ONE_LIFE
    assert [name for name, process in platform.processes.items() if process.poll() is not None] == []


def test_an_agent_whose_worker_fails_leaves_its_jobs_running(platform: Platform, client: redis.Redis):
    """A message that is no message: Celery ends over it."""
    platform.environment["TRAINYARD_LEASE_SECONDS"] = "30"
    platform.start("n1")
    [job] = submitted("sleep 6; echo done")
    wait_for_state(job, "running", platform=platform)

    client.lpush("cpu.urgent.n1", "rubbish")

    assert platform.processes.pop("n1").wait(20) == 1
    platform.start_node("n1")
    assert history(wait_for_state(job, "completed", platform=platform)) == ONE_LIFE
    assert Attempt.objects.filter(job=job).count() == 1


def test_an_agent_that_is_refused_says_so_in_one_line_and_exits_with_1(platform: Platform, tmp_path: Path):
    platform.start("n1")

    platform.start_node("n1", wait=False, process="twin", TRAINYARD_HOME=str(tmp_path / "elsewhere"))

    assert platform.processes.pop("twin").wait(30) == 1
    [line] = platform.log("twin").splitlines()
    assert "another agent" in line
