"""An end of which nobody could be told: the database was out of the node's reach, and its agent died meanwhile."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.acceptance.platform import Platform, database_address, history, output, submitted, wait_for_state
from tests.waiting import wait_for
from tests.wires import Wire


@pytest.fixture
def wire() -> Iterator[Wire]:
    made = Wire(urlsplit(database_address()).port or 5432)
    yield made
    made.close()


@pytest.mark.timeout(300)
def test_an_end_outlives_an_outage_of_the_database_and_its_agent(platform: Platform, wire: Wire):
    own = urlsplit(database_address())
    over_wire = database_address().replace(f":{own.port}/", f":{wire.port}/").replace("localhost", "127.0.0.1")
    platform.environment["TRAINYARD_LEASE_SECONDS"] = "240"
    platform.start_control()
    platform.start_node("n1", DATABASE_URL=over_wire)
    [job] = submitted("sleep 2; echo done; exit 3")
    wait_for_state(job, "running", timeout=60, platform=platform)

    wire.cut()
    wait_for(lambda: list(platform.home.glob("nodes/n1/attempts/*/ending.json")), 60, "the end to be written down")
    platform.kill("n1")
    wire.mend()
    assert history(job)[-1] == "running", "nobody could be told"
    platform.start_node("n1", DATABASE_URL=over_wire)
    wait_for(lambda: history(job)[-1] == "failed", 90, "the end to be told")

    job.refresh_from_db()
    assert (job.exit_code, job.attempt, output(job)) == (3, 1, "done\n")
    assert history(job) == ["pending", "queued", "assigned", "running", "failed"]
