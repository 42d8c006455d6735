"""The services of compose.yaml with their own commands, environment and secrets, as plain processes: a job runs on them."""

import json
import os
import socket
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from django.db import connection

from tests.acceptance.platform import Platform, database_address, output, submitted, wait_for_state
from tests.servers import Broker
from tests.site.test_compose import REQUIRED, compose

IMAGE = {"HOME": "/nonexistent", "DJANGO_SETTINGS_MODULE": "scheduler_site.settings"}  # as the Dockerfile has it
SECRET_KEY = "a-long-and-random-key-9f8e7d6c5b4a3f2e1d0c-0123456789abcdef"


class Composed(Platform):
    """Services as containers get them, but for the names of the servers and the folder of the secrets."""

    def __init__(self, home: Path, secrets: Path, broker_url: str) -> None:
        super().__init__(home, broker_url)
        answer = compose("--format", "json", variables=REQUIRED)
        self.services = json.loads(answer.stdout)["services"]
        database, broker = urlsplit(database_address()), urlsplit(broker_url)
        self.agent = f"agent_{uuid.uuid4().hex[:12]}"
        secrets.mkdir()
        (secrets / "postgres_password").write_text(unquote(database.password or ""))
        (secrets / "agent_database_password").write_text("of-the-agents/:@#")
        (secrets / "redis_password").write_text(unquote(broker.password or ""))
        (secrets / "secret_key").write_text(SECRET_KEY)
        self.replaced = {
            "/run/secrets": str(secrets),
            "//trainyard@": f"//{database.username}@",
            "trainyard_agent": self.agent,
            "@postgres:5432/trainyard": f"@{database.hostname}:{database.port}{database.path}",
            "redis:6379/0": f"{broker.hostname}:{broker.port}/0",
        }

    def start_service(self, name: str) -> None:
        """Start what its container would start."""
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # the interpreter with the packages comes first
        self.environment = {"PATH": path, "TRAINYARD_HOME": str(self.home), **IMAGE}
        self.environment |= {key: self._here(value or "") for key, value in self.services[name]["environment"].items()}
        self._start(name, [self._here(word).replace("$$", "$") for word in self.services[name]["command"]])

    def _here(self, value: str) -> str:
        for there, here in self.replaced.items():
            value = value.replace(there, here)
        return value


@pytest.fixture
def composed(platform: Platform, broker: Broker, tmp_path: Path) -> Iterator[Composed]:
    started = Composed(tmp_path / "composed", tmp_path / "secrets", broker.url)
    yield started
    started.close()
    with connection.cursor() as cursor:
        cursor.execute(f"DROP OWNED BY {started.agent}; DROP ROLE {started.agent}")


def test_a_job_runs_on_the_services_of_compose(composed: Composed):
    composed.start_service("migrate")
    assert composed.processes.pop("migrate").wait(60) == 0, composed.log("migrate")
    for name in ("beat", "control", "cpu-worker"):
        composed.start_service(name)
    [job] = submitted("env")

    job = wait_for_state(job, "completed", timeout=90, platform=composed)

    assert job.node is not None
    assert job.node.name == f"cpu-{socket.gethostname()}"
    assert "secrets" not in output(job)
    assert {composed.agent} == who_is_connected("trainyard node")


def who_is_connected(program: str) -> set[str]:
    """The roles as which processes of that name use this database."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT usename FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE %s",
            [f"{program}%"],
        )
        return {role for (role,) in cursor.fetchall()}
