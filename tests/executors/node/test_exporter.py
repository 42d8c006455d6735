"""The exporter of a node: what the agent knows, whoever is away."""

import re
import urllib.request
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from executors.node.exporter import serve
from executors.session.known import Known
from local_stack.servers.ports import LOOPBACK, pick_free
from scheduling.errors import UnavailableError
from tests.architecture import source
from tests.executors.node.exported import node_view
from workers.heartbeats import QueueProbeResult


@pytest.fixture
def view(monkeypatch):
    return node_view(monkeypatch)


def scraped(view):
    port = pick_free()
    serve(view, port=port, address=LOOPBACK)
    with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/metrics", timeout=10) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}


def test_it_tells_what_the_agent_holds_and_what_it_could_not_say(view):
    found = scraped(view)
    assert found["trainyard_agent_info", "n1", "1.0"] == 1
    names = ("placements", "suspended_placements", "lease_seconds", "unsaid", "database_silence_seconds")
    assert [found[f"trainyard_agent_{name}",] for name in names] == [2, 1, 22.5, 2, 61]
    assert (found["trainyard_agent_unsent_log_bytes",], found["trainyard_agent_consuming",]) == (4096, 1)
    assert not [key for key in found if key[0].startswith("trainyard_agent_job")]


def test_it_tells_of_the_machine_and_its_gpus_as_far_as_they_tell(view):
    found = scraped(view)
    assert (found["trainyard_agent_cpus",], found["trainyard_agent_disk_free_bytes",]) == (8, 7 * 2**20)
    assert found["trainyard_agent_cpu_busy_seconds_total",] > 0
    assert found["trainyard_agent_gpu_power_watts", "0", "NVIDIA H100"] == 70
    assert found["trainyard_agent_gpu_temperature_celsius", "0", "NVIDIA H100"] == 55
    assert found["trainyard_agent_gpu_ecc_errors_total", "1", "NVIDIA H100"] == 3
    assert (found["trainyard_agent_gpu_out", "0"], found["trainyard_agent_gpu_out", "1"]) == (0, 1)
    assert ("trainyard_agent_gpu_power_watts", "1", "NVIDIA H100") not in found


def test_jobs_are_told_by_their_numbers_where_that_is_wanted(view):
    found = scraped(replace(view, jobs=True))
    assert (found["trainyard_agent_job_cpus", "7"], found["trainyard_agent_job_gpu", "1", "7"]) == (3, 1)


def test_before_the_first_heartbeat_there_is_no_lease_and_no_silence(view):
    none = Known((), 0, None, 0, None, 0, leaving=False)
    found = scraped(replace(view, known=lambda: none, probe=QueueProbeResult))
    assert {
        "trainyard_agent_lease_seconds",
        "trainyard_agent_database_silence_seconds",
        "trainyard_agent_consuming",
    }.isdisjoint(key[0] for key in found)


def test_a_port_that_is_taken_is_named(view):
    port = pick_free()
    serve(view, port=port, address=LOOPBACK)
    with pytest.raises(UnavailableError, match=rf"--metrics-port {port}: .*{LOOPBACK}:{port}: .*in use"):
        serve(view, port=port, address=LOOPBACK)


def test_what_it_tells_is_in_the_table_of_the_documentation(view):
    page = (source.ROOT / "docs/monitoring.md").read_text(encoding="utf-8")
    told = {key[0] for key in scraped(replace(view, jobs=True))}
    assert told == set(re.findall(r"trainyard_agent_\w+", page))
