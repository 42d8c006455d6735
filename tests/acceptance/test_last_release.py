"""An upgrade from the last release under running jobs: the database first, then the control plane, then agent by agent."""

import signal
import subprocess
import sys
import uuid
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.core.management import call_command

from executors import agent_rights
from jobs.control import actions
from jobs.models import Attempt, Job
from local_stack.backups.drill import looking_at
from tests.acceptance.last_release import checked_out
from tests.acceptance.platform import ROOT, Platform, history, output, submitted, wait_for_state
from tests.acceptance.test_faults import ONE_LIFE
from tests.servers import RunningServer
from tests.waiting import wait_for
from workers import protocol
from workers.models import Node

ROLE = f"agent_{uuid.uuid4().hex[:12]}"
SUBMIT = """
import sys
import django
django.setup()
from tests import builders
from tests.acceptance.platform import submitted
for _ in range(1000):
    next(builders.numbers)  # this process counts from 1, too
print(*[job.pk for job in submitted(*sys.argv[1:])])
"""


def python(platform: Platform, *words: str) -> str:
    """What a program of the release that `platform.source` is says."""
    done = subprocess.run(
        [sys.executable, *words],
        cwd=platform.source,
        env={**platform.environment, "TRAINYARD_AGENT_DATABASE_PASSWORD": "secret"},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def agents_address(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{ROLE}:secret@{parts.hostname}:{parts.port}").geturl()


def waiting_for(gate: Path) -> str:
    return f"echo began; while ! test -e {gate}; do sleep 0.2; done; echo ended"


def replace(platform: Platform, name: str, url: str) -> None:
    """The agent leaves, its jobs run on, and one of this release takes them over."""
    platform.kill(name, signal.SIGQUIT)
    assert platform.processes.pop(name).wait(30) == 0, platform.log(name)
    platform.start_node(name, cpus=3, DATABASE_URL=url)
    wait_for(
        lambda: protocol.spoken_by(Node.objects.get(name=name)) == protocol.PROTOCOL, 30, f"{name} of this release"
    )


@pytest.mark.timeout(420)  # two releases of everything start, one after another
def test_the_last_release_s_jobs_and_agents_outlive_the_upgrade(
    platform: Platform, postgres_server: RunningServer, tmp_path: Path
):
    platform.source = checked_out(tmp_path / "old")
    url = platform.environment["DATABASE_URL"] = postgres_server.url
    platform.environment["TRAINYARD_LEASE_SECONDS"] = "60"  # on a busy machine an agent takes seconds to start
    agents = agents_address(url)
    gates = [tmp_path / f"gate{number}" for number in range(2)]
    with looking_at(url):
        # The platform of the last release, at work.
        python(platform, "manage.py", "migrate", "--verbosity=0")
        python(platform, "manage.py", "agent_rights", ROLE)
        platform.start_control()
        platform.start_beat()
        for name in ("n1", "n2"):
            platform.start_node(name, cpus=3, DATABASE_URL=agents)
        ids = [int(word) for word in python(platform, "-c", SUBMIT, *map(waiting_for, gates)).split()]
        first, second = (Job(pk=number) for number in ids)
        running = Job.objects.filter(pk__in=ids, state="running")  # by columns that the last release had too
        wait_for(lambda: running.count() == len(ids), 60, "the jobs to run under the last release")

        # The database and the control plane are new, the agents are not: what runs goes on, and ends in order.
        platform.source = ROOT
        call_command("migrate", verbosity=0)
        agent_rights.grant(ROLE)
        for name in ("control", "beat"):
            platform.stop(name)
        platform.start_control()
        platform.start_beat()
        gates[0].touch()
        wait_for_state(first, "completed", platform=platform, timeout=60)
        assert (history(first), output(first)) == (ONE_LIFE, "began\nended\n")
        assert {protocol.spoken_by(node) for node in Node.objects.all()} == {0}

        # Old agents take the new control plane's jobs, and obey it.
        late, cancelled = submitted("echo late", "sleep 600")
        wait_for_state(late, "completed", platform=platform, timeout=60)
        wait_for_state(cancelled, "running", platform=platform, timeout=60)
        assert output(late) == "late\n"
        actions.cancel(job_id=cancelled.pk, actor="ada")
        wait_for_state(cancelled, "cancelled", platform=platform, timeout=60)

        # Agent by agent, under the job that still runs.
        for name in ("n1", "n2"):
            replace(platform, name, agents)
        gates[1].touch()
        wait_for_state(second, "completed", platform=platform, timeout=60)
        assert (history(second), output(second)) == (ONE_LIFE, "began\nended\n")
        assert Attempt.objects.filter(job__in=ids).count() == 2
        platform.close()
