"""Secrets of a job under a real agent: its command has them, and nothing else that can be looked at does."""

import hashlib
import os
import threading
from pathlib import Path

import httpx
import psutil
import pytest
import redis
from cryptography.fernet import Fernet
from django.db import connection
from psycopg import sql

from jobs.models import Placement
from jobs.planning.cycle import run_cycle
from quotas.models import Project, Secret
from quotas.secrets import setting
from quotas.secrets.setting import Holder
from tests import builders
from tests.acceptance.platform import Platform, output, submitted, wait_for_state, words_of
from tests.waiting import wait_for

VALUE = "hunter22-real-value"
OVER = "that-is-all"
LINES = "first line of it\nsecond line of it"
SHOW = """
echo "key=$API_KEY"
printf %s "$API_KEY" | cut -c1-8
sleep 0.2
printf '%s' hunter22-
sleep 1
printf '%s\\n' real-value
echo "$CERTIFICATE"
printf %s "$API_KEY" | sha256sum | cut -c1-64
while test ! -e "$TRAINYARD_CHECKPOINT_DIR/go"; do sleep 0.1; done
echo "again $API_KEY"
"""


@pytest.fixture
def project(platform: Platform, live_server, settings):
    settings.SECRETS_KEYS = Fernet.generate_key().decode()
    platform.environment["TRAINYARD_CODE_URL"] = live_server.url
    project = Project.objects.filter(slug="acceptance").first() or builders.project(slug="acceptance")
    admin = builders.member(project=project, role="admin")
    httpx.get(f"{live_server.url}/api/v1/healthz", timeout=60)  # the first request of a site loads all of it
    for name, value in (("API_KEY", VALUE), ("CERTIFICATE", LINES)):
        setting.set_secret(Holder(project=project), admin, name, value)
    return project


@pytest.fixture
def overheard(platform: Platform):
    """Every command that the broker is given meanwhile."""
    heard, listening = [], threading.Event()
    client = redis.Redis.from_url(platform.broker_url, socket_timeout=None)

    def listen():
        with client.monitor() as monitor:
            listening.set()
            for command in monitor.listen():
                if OVER in command["command"]:
                    return
                heard.append(command["command"])

    thread = threading.Thread(target=listen)
    thread.start()
    listening.wait(10)
    yield heard
    client.echo(OVER)
    thread.join()
    client.close()


pytestmark = [
    pytest.mark.timeout(400),  # agents are started one after another, and once again
    pytest.mark.usefixtures("executed"),
]


def files_with(folder: Path, words: str) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and words.encode() in path.read_bytes()]


def test_the_command_has_them_and_nothing_else_that_can_be_looked_at(platform: Platform, project, overheard):
    run_as = "auto" if os.geteuid() == 0 else "agent"
    platform.start("n1", TRAINYARD_RUN_AS=run_as)
    (job,) = submitted(SHOW, secrets=("API_KEY", "CERTIFICATE"))
    digest = hashlib.sha256(VALUE.encode()).hexdigest()
    wait_for(lambda: digest in output(job), 60, lambda: f"its log, not {output(job)!r} {platform.log('n1')}")

    # While it runs: one file tells its shim, another has what it printed itself, and both are the agent's alone.
    found = files_with(platform.home, VALUE)
    assert sorted(path.name for path in found) == ["log", "spec.json"]
    assert not [path for path in found if path.stat().st_mode & 0o077]
    assert not [word for process in psutil.process_iter() for word in words_of(process) if VALUE in word]

    # Another agent goes on with it, and masks what comes after.
    platform.kill("n1")
    platform.start_node("n1", TRAINYARD_RUN_AS=run_as)
    (platform.home / "jobs" / str(job.pk) / "checkpoints" / "go").touch()
    wait_for_state(job, "completed", timeout=60, platform=platform)
    assert output(job) == f"key=***\nhunter22\n***\n***\n{digest}\nagain ***\n"

    wait_for(lambda: not files_with(platform.home, VALUE), 20, "the attempt's folder to go")
    assert overheard
    assert not [words for words in overheard if "hunter22" in words]
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (table,) in cursor.fetchall():
            count = sql.SQL("SELECT count(*) FROM {} AS one WHERE one::text ~ %s").format(sql.Identifier(table))
            cursor.execute(count, [f"{VALUE}|{VALUE.encode().hex()}"])
            assert cursor.fetchone() == (0,), table


def test_one_may_be_a_file_of_the_job_s_own_that_goes_with_the_attempt(platform: Platform, project):
    run_as = "auto" if os.geteuid() == 0 else "agent"
    platform.start("n1", TRAINYARD_RUN_AS=run_as)
    look = """
    stat -c '%a' "$API_KEY_FILE"
    test "$(stat -c %u "$API_KEY_FILE")" = "$(id -u)" && echo own
    test "$TRAINYARD_SECRET_DIR/key.txt" = "$API_KEY_FILE" && echo there
    cat "$API_KEY_FILE"; echo; echo "<$API_KEY>"
    sha256sum < "$API_KEY_FILE" | cut -c1-64
    ls "$TRAINYARD_OUTPUT_DIR" "$TRAINYARD_CHECKPOINT_DIR" | grep -c key.txt
    """
    (job,) = submitted(look, secrets=("API_KEY",), secret_files={"API_KEY": "key.txt"})
    wait_for_state(job, "completed", "failed", timeout=60, platform=platform)
    digest = hashlib.sha256(VALUE.encode()).hexdigest()
    assert output(job) == f"400\nown\nthere\n***\n<>\n{digest}\n0\n"
    wait_for(lambda: not files_with(platform.home, VALUE), 20, "the attempt's folder to go")


def test_each_member_of_a_gang_is_given_them(platform: Platform, project):
    platform.start("n1", "n2")
    (job,) = submitted('echo "$RANK ${#API_KEY} $API_KEY"', secrets=("API_KEY",), nodes=2)
    wait_for_state(job, "completed", timeout=60, platform=platform)
    assert sorted(output(job).split("\n")) == ["", f"0 {len(VALUE)} ***", f"1 {len(VALUE)} ***"]


def test_one_that_is_taken_back_after_the_placement_ends_the_start_in_words(platform: Platform, project):
    platform.start_node("n1")
    agent = psutil.Process(platform.processes["n1"].pid)
    agent.suspend()
    (job,) = submitted("true", secrets=("API_KEY",))
    run_cycle()
    assert Placement.objects.filter(attempt__job=job).exists()
    Secret.objects.filter(name="API_KEY").delete()
    agent.resume()
    job = wait_for_state(job, "failed", timeout=60, platform=platform)
    assert job.end_reason == "start_failed"
    assert "Secret API_KEY does not exist in project acceptance" in job.message
