"""Both ways to a Slurm, of both releases and in every version of the API that they offer, tell and do the same."""

import socket
import threading
from dataclasses import replace

import pytest

from clusters.slurm import rest
from clusters.slurm.batch_job import BatchJob
from clusters.slurm.commands import CommandClient
from clusters.slurm.errors import DeniedError, SlurmRefusedError, UnreachableError
from clusters.slurm.rest import RestClient
from tests.waiting import wait_for

JOB = BatchJob(
    name="asked", script="#!/bin/bash\nsleep 30\n", output="/dev/null", directory="/", nodes=("n1", "n2"), cpus=3, memory_mb=300,
    gpus=2, gpu_type="h100", minutes=7, warn_seconds=60, partition="main", account="research", comment="by hand",
    environment={"PATH": "/usr/bin:/bin", "GREETING": "it's me"},
)  # fmt: skip
WAYS = pytest.mark.parametrize(
    ("slurm", "client"),
    [
        ("22.05", "v0.0.38"), ("22.05", "commands"),
        ("24.11", "v0.0.40"), ("24.11", "v0.0.41"), ("24.11", "v0.0.42"), ("24.11", "commands"),
    ],
    indirect=True,
)  # fmt: skip
"""What each release offers."""


@pytest.fixture
def client(request, slurm, monkeypatch):
    if request.param == "commands":
        monkeypatch.setenv("SLURM_CONF", slurm.environment["SLURM_CONF"])
        return CommandClient(slurm.environment["PATH"])
    monkeypatch.setattr(rest, "VERSIONS", (request.param,))
    return RestClient(slurm.url, token=slurm.token)


@pytest.fixture
def by_rest(slurm):
    return RestClient(slurm.url, token=slurm.token)


def of(client, number):
    return next((job for job in client.jobs() if job.job_id == number), None)


@WAYS
def test_a_job_is_what_was_asked_for_and_can_be_cancelled(client, slurm):
    number = client.submit(JOB)
    found = wait_for(lambda: (job := of(client, number)) and job.state == "RUNNING" and job, 20, "it to run")
    assert (found.name, found.partition, found.account, found.nodes, found.limit_minutes) == (
        "asked",
        "main",
        "research",
        ("n1", "n2"),
        7,
    )
    assert found.user == "root"
    shown = slurm.command("scontrol", "show", "job", str(number))
    for words in (
        "Requeue=0",
        "ReqNodeList=n[1-2]",
        "NumNodes=2",
        "NumTasks=2",
        "CPUs/Task=3",
        "MinMemoryNode=300M",
        "Comment=by hand",
    ):
        assert words in shown
    assert "gpu:h100:2" in shown
    assert [(node.allocated_cpus, node.allocated_memory_mb) for node in client.nodes()] == [(3, 300), (3, 300)]
    assert [sum(one.amount for one in node.gres_used) for node in client.nodes()] == [2, 2]
    client.cancel(number)
    client.cancel(number)
    wait_for(lambda: (job := of(client, number)) and job.has_ended, 20, "its end")
    seen = wait_for(
        lambda: [one for one in client.accounted(["asked", "nobody"]) if one.job.job_id == number], 20, "the accounts"
    )
    assert seen[0].job.state == "CANCELLED"
    client.cancel(number)


@WAYS
def test_nodes_and_partitions_are_read(client):
    [first, _] = client.nodes()
    assert (first.name, first.cpus, first.memory_mb, first.features, first.address) == (
        "n1",
        16,
        64_000,
        ("fast", "rack1"),
        "127.0.0.1",
    )
    assert [(one.kind, one.amount) for one in first.gres] == [("h100", 8)]
    main, short = sorted(client.partitions(), key=lambda one: one.name)
    assert (main.name, main.max_minutes, main.nodes, main.state) == ("main", None, ("n1", "n2"), "UP")
    assert (short.name, short.max_minutes, short.nodes) == ("short", 1, ("n1",))


@WAYS
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"partition": "nowhere"}, "partition"),
        ({"account": "nobody"}, "account"),
        ({"qos": "none"}, "qos"),
        ({"nodes": ("n99",)}, "node"),
        ({"memory_mb": 10_000_000}, "Requested node configuration is not available"),
    ],
)
def test_what_the_controller_refuses_is_refused_in_its_words(client, change, words):
    with pytest.raises(SlurmRefusedError, match=words):
        client.submit(replace(JOB, **change))


@WAYS
def test_the_accounts_know_what_the_controller_has_forgotten(client):
    number = client.submit(replace(JOB, name="forgotten", script="#!/bin/bash\nexit 3\n"))
    wait_for(lambda: of(client, number) is None, 90, "the controller to forget it")
    [seen] = [one for one in client.accounted(["forgotten"]) if one.job.job_id == number]
    assert (seen.job.state, seen.job.has_ended) == ("FAILED", True)


def test_the_newest_version_that_both_know_is_spoken(by_rest, slurm):
    assert by_rest.version() == {"22.05": "v0.0.38", "24.11": "v0.0.42"}[slurm.release]


@pytest.mark.parametrize("token", ["", "nonsense"])
def test_a_wrong_token_is_never_taken_for_an_empty_cluster(slurm, token):
    client = RestClient(slurm.url, token=lambda: token)
    for ask in (client.jobs, client.nodes, lambda: client.submit(JOB), lambda: client.accounted(["x"])):
        with pytest.raises(UnreachableError):
            ask()


def test_an_expired_token_is_named_as_that(slurm):
    with pytest.raises(DeniedError, match="which expired at"):
        RestClient(slurm.url, token=lambda: slurm.token(lifespan=-5)).jobs()


def test_a_token_that_cannot_be_read_is_no_crash(slurm, tmp_path):
    with pytest.raises(UnreachableError, match="token"):
        RestClient(slurm.url, token=(tmp_path / "missing").read_text).jobs()


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://no-such-host.invalid", "http://[bad"])
def test_who_is_not_there_is_out_of_reach(url):
    with pytest.raises(UnreachableError):
        RestClient(url, token=lambda: "x").jobs()


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"],
)
def test_who_is_no_slurmrestd_is_out_of_reach(answer):
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                end, _ = server.accept()
            except OSError:
                return
            end.recv(65536)
            end.sendall(answer)
            end.close()

    threading.Thread(target=serve, daemon=True).start()
    with pytest.raises(UnreachableError):
        RestClient(f"http://127.0.0.1:{server.getsockname()[1]}", token=lambda: "x").jobs()
    server.close()


def test_commands_that_are_missing_are_out_of_reach(tmp_path):
    with pytest.raises(UnreachableError, match="`squeue` is not installed here"):
        CommandClient(str(tmp_path)).jobs()
