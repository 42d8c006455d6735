"""Agents that leave, are killed or turn deaf while their jobs run on."""

import os
import signal
from pathlib import Path

from django.db import connection

from jobs.models import Attempt, Job, JobEvent
from scheduler_site.celery import app
from tests.acceptance.platform import Platform, history, output, submitted, wait_for_state
from tests.acceptance.test_faults import ONE_LIFE
from tests.servers import Broker, RunningServer
from tests.waiting import wait_for
from workers.models import Node

JOBS = 20


def test_twenty_running_jobs_outlive_two_agents(platform: Platform, tmp_path: Path):
    """The first agent is told to leave, the second is killed: nobody stops, no line is lost, each has one history."""
    platform.environment["TRAINYARD_LEASE_SECONDS"] = "60"  # on a busy machine an agent takes seconds to start
    platform.start("n1", cpus=JOBS)
    gates = [tmp_path / f"gate{number}" for number in (1, 2)]
    script = "n=0; say() { for _ in 1 2 3; do n=$((n+1)); echo line $n; done; }; say; " + "".join(
        f"while ! test -e {gate}; do sleep 0.5; done; say; " for gate in gates
    )
    jobs = submitted(*[script] * JOBS)
    wait_for(lambda: Job.objects.filter(state="running").count() == JOBS, 60, "all jobs to run")
    shims = {shim.pid for shim in platform.shims()}

    platform.kill("n1", signal.SIGQUIT)
    assert platform.processes.pop("n1").wait(20) == 0, platform.log("n1")
    gates[0].touch()
    platform.start_node("n1", cpus=JOBS)
    assert {shim.pid for shim in platform.shims()} == shims

    os.killpg(platform.processes["n1"].pid, signal.SIGKILL)  # with all that is in its process group
    platform.processes.pop("n1").wait(10)
    gates[1].touch()
    platform.start_node("n1", cpus=JOBS)

    for job in jobs:
        wait_for_state(job, "completed", timeout=60, platform=platform)
        assert history(job) == ONE_LIFE
        assert output(job) == "".join(f"line {number}\n" for number in range(1, 10))
    assert Attempt.objects.count() == JOBS
    assert len(shims) == JOBS


def test_an_agent_whose_consumer_is_deaf_begins_anew(platform: Platform, broker: Broker):
    """Deaf as after a broker's restart: the process lives and beats, the broker answers, but no message arrives."""
    platform.environment.update(
        TRAINYARD_HEARING_SECONDS="0.5", TRAINYARD_DEAF_SECONDS="3", TRAINYARD_LEASE_SECONDS="60"
    )
    platform.start("n1", cpus=4)
    wait_for(lambda: Node.objects.get().consuming, 20, "proof that the agent hears")
    [running] = submitted("sleep 4; echo done")
    wait_for_state(running, "running", platform=platform)
    before = Node.objects.get()

    for queue in ("gpu.urgent", "cpu.urgent", "gpu.normal", "cpu.normal", "gpu.background", "cpu.background"):
        app.control.cancel_consumer(f"{queue}.n1", destination=["node@n1"])
    [late] = submitted("true")

    wait_for_state(late, "completed", timeout=60, platform=platform)
    after = Node.objects.get()
    assert after.registered_at > before.registered_at
    assert (after.agent_id, platform.processes["n1"].poll()) == (before.agent_id, None)
    assert "none of them arrives here" in platform.log("n1")
    assert history(wait_for_state(running, "completed", platform=platform)) == ONE_LIFE
    assert output(running) == "done\n"
    assert JobEvent.objects.filter(kind="claimed").count() == 2

    platform.kill("n1", signal.SIGHUP)
    wait_for(lambda: Node.objects.get().registered_at > after.registered_at, 30, "the agent to begin anew at SIGHUP")
    assert platform.processes["n1"].poll() is None

    wait_for(lambda: Node.objects.get().consuming, 20, "proof that the agent hears")
    before = Node.objects.get()
    broker.kill()
    wait_for(lambda: Node.objects.get().consuming is None, 20, "the agent to know nothing of its hearing")
    assert Node.objects.get().registered_at == before.registered_at, "a broker that is away restarts no agent"


def test_an_agent_told_to_stop_ends_in_time_though_database_and_broker_are_away(
    platform_on_own_database: Platform, postgres_server: RunningServer, broker: Broker
):
    """Its job ignores SIGTERM, too. What the agent cannot say lies on disk for the next one."""
    platform = platform_on_own_database
    [job] = submitted('trap "" TERM; echo up; while :; do sleep 0.2; done')
    wait_for_state(job, "running", platform=platform)
    connection.close()
    postgres_server.kill()
    broker.kill()

    platform.kill("n1", signal.SIGTERM)
    assert platform.processes.pop("n1").wait(60) == 1, platform.log("n1")
    wait_for(lambda: not platform.jobs(), 10, "nothing to be left of the job")

    postgres_server.start()
    platform.start_node("n1")
    wait_for(lambda: Attempt.objects.exclude(end_reason="").exists(), 30, "the next agent to report the end")
    assert Attempt.objects.first().end_reason in ("preempted", "node_lost", "lost_lease")


def test_an_agent_that_still_waits_for_its_database_ends_at_once(platform: Platform):
    nowhere = "postgresql://nobody@127.0.0.1:1/none"
    platform.start_node("n1", wait=False, DATABASE_URL=nowhere, TRAINYARD_DRAIN_SECONDS="600")
    wait_for(lambda: "database is out of reach" in platform.log("n1"), 30, "the agent to wait for the database")

    assert platform.stop("n1", timeout=30) == 0, platform.log("n1")
    assert "Traceback" not in platform.log("n1")
