"""What Prometheus is told while the database is away: a real server that was killed."""

import httpx
import pytest
from django.core.cache import cache
from django.db import connection

from local_stack.servers.ports import LOOPBACK, pick_free
from tests.acceptance.platform import Platform, submitted, wait_for_state
from tests.rest import client_of
from tests.servers import RunningServer
from tests.waiting import wait_for

TOKEN = "for-the-scraper"


def told(port):
    """What the exporter of a node says, by the names of its samples that have no labels."""
    answer = httpx.get(f"http://{LOOPBACK}:{port}/metrics", timeout=10)
    lines = [line.split() for line in answer.text.splitlines() if not line.startswith("#")]
    return {words[0]: float(words[-1]) for words in lines}


@pytest.mark.timeout(400)
def test_a_node_tells_what_it_knows_and_the_site_that_the_database_is_away(
    platform_on_own_database: Platform, postgres_server: RunningServer, settings
):
    settings.METRICS_TOKEN = TOKEN
    platform, port = platform_on_own_database, pick_free()
    platform.start_node("n2", TRAINYARD_NODE_METRICS_PORT=str(port))
    jobs = submitted("sleep 60", "sleep 60", cpus=2)
    for job in jobs:
        wait_for_state(job, "running", platform=platform)
    wait_for(lambda: told(port).get("trainyard_agent_lease_seconds"), 20, "a lease that the exporter knows")
    assert told(port)["trainyard_agent_placements"] == 1

    connection.close()
    postgres_server.kill()
    cache.clear()

    wait_for(lambda: told(port)["trainyard_agent_database_silence_seconds"] > 1.5, 20, "the silence to be told")
    said = client_of().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert said.status_code == 200
    samples = {line for line in said.content.decode().splitlines() if not line.startswith("#")}
    servers = {'trainyard_server_up{server="database"} 0.0', 'trainyard_server_up{server="broker"} 1.0'}
    assert samples == {"trainyard_database_up 0.0", *servers}

    postgres_server.start()
    wait_for(lambda: told(port)["trainyard_agent_database_silence_seconds"] < 1, 20, "the silence to end")
    said = client_of().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert b"trainyard_database_up 1.0" in said.content
    assert b'trainyard_active_jobs{state="running"} 2.0' in said.content
