"""`manage.py up`, as a person runs it."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

from local_stack.servers import scaled_pool
from local_stack.servers.errors import StackError
from local_stack.servers.home import Home
from local_stack.servers.output import PrefixedOutput
from local_stack.servers.ports import answers, pick_free
from local_stack.servers.roles import CHECKOUT, NodeSpec
from local_stack.servers.stack import LocalStack, Options
from scheduler_site.env import of_local_stack
from tests.waiting import wait_for

ANSWER_SECONDS = 30  # of a machine that does everything at once
NOT_OURS = ("DATABASE_URL", "BROKER_URL", "TRAINYARD_SECRET_KEY")


@dataclass
class Up:
    """A stack in a folder of its own."""

    home: Path
    port: int = field(default_factory=pick_free)
    flower_port: int = field(default_factory=pick_free)
    process: subprocess.Popen[str] | None = None
    shown: str = ""

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        ours = {"TRAINYARD_HOME": self.home, "TRAINYARD_PORT": self.port, "FLOWER_PORT": self.flower_port}
        kept = {name: value for name, value in os.environ.items() if name not in NOT_OURS}
        environment = {**kept, **{name: str(value) for name, value in ours.items()}}
        command = [sys.executable, str(CHECKOUT / "manage.py"), "up", "--unlisted", *arguments]
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
        )

    def start_and_wait(self) -> None:
        self.process = self.start("--node", "cpu-1:cpus=1")
        assert self.process.stdout
        shown = []
        for line in self.process.stdout:
            shown.append(line)
            if line.startswith("Data"):
                self.shown = "".join(shown)
                return
        pytest.fail("".join(shown))

    def refusal(self, *arguments: str) -> str:
        """What it says when it does not start."""
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=30)
        assert process.returncode == 1
        assert "Traceback" not in output
        return output

    @property
    def credentials(self) -> dict[str, str]:
        return json.loads((self.home / "credentials.json").read_text())

    def get(self, path: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.credentials['token']}"}
        return httpx.get(self.credentials["url"] + path, headers=headers, timeout=ANSWER_SECONDS)

    def processes(self) -> list[psutil.Process]:
        """Every process that has this home in its environment: all of the stack's."""
        return [process for process in psutil.process_iter() if self._has_this_home(process)]

    def _has_this_home(self, process: psutil.Process) -> bool:
        with suppress(psutil.Error):
            is_running = process.status() != psutil.STATUS_ZOMBIE
            return is_running and process.environ().get("TRAINYARD_HOME") == str(self.home)
        return False


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    stack = Up(tmp_path_factory.mktemp("up") / "home")
    stack.start_and_wait()
    yield stack
    for process in stack.processes():
        process.kill()


def test_the_printed_credentials_open_the_api_and_are_private(up: Up):
    assert up.get("/api/v1/jobs").status_code == 200
    assert stat.S_IMODE(up.home.stat().st_mode) == 0o700
    for name in ("credentials.json", "env", "stack.json", "secrets-keys", "valkey/valkey.conf"):
        assert stat.S_IMODE((up.home / name).stat().st_mode) == 0o600, name


def test_a_command_beside_the_stack_finds_its_database(up: Up):
    found = of_local_stack(up.home)
    with psycopg.connect(found["DATABASE_URL"]) as connection:
        query = "SELECT count(*) FROM quotas_membership JOIN quotas_project ON slug = 'default'"
        assert connection.execute(query).fetchone() == (1,)


def test_no_password_stands_on_a_command_line_or_in_a_log(up: Up):
    remembered = json.loads((up.home / "stack.json").read_text())
    secrets = {value for name, value in remembered.items() if name.endswith(("password", "key"))}
    secrets.add(up.credentials["token"])
    shown = [up.shown, *(word for process in up.processes() for word in process.cmdline())]
    assert not [word for word in shown if any(secret in word for secret in secrets)]


def test_secrets_are_kept_from_the_start_and_their_key_is_none_of_the_agents(up: Up):
    headers = {"Authorization": f"Bearer {up.credentials['token']}"}
    address = f"{up.credentials['url']}/api/v1/me/secrets/TOKEN"
    answer = httpx.put(address, json={"value": "hunter22"}, headers=headers, timeout=ANSWER_SECONDS)
    assert answer.status_code == 201, answer.text
    agents = [process for process in up.processes() if "node" in process.cmdline()]
    assert agents
    key = (up.home / "secrets-keys").read_text().strip()
    for agent in agents:
        environment = agent.environ()
        assert not environment["TRAINYARD_SECRETS_KEYS"]
        assert not environment["TRAINYARD_SECRETS_KEYS_FILE"]
    assert not [process for process in up.processes() if key in str(process.environ())]


def test_flower_asks_for_its_login(up: Up):
    wait_for(lambda: answers(up.flower_port), 20, "Flower")
    known = up.credentials
    for path in ("/", "/metrics", "/api/workers", "/api/queues/length"):
        assert httpx.get(known["flower_url"] + path, timeout=ANSWER_SECONDS).status_code == 401, path
    assert flower(known).get("/", follow_redirects=True).status_code == 200


def flower(known: dict[str, str]) -> httpx.Client:
    login = (known["admin_user"], known["flower_password"])
    return httpx.Client(base_url=known["flower_url"], auth=login, timeout=ANSWER_SECONDS)


def queues_shown(client: httpx.Client) -> set[str]:
    return {queue["name"] for queue in client.get("/api/queues/length").json()["active_queues"]}


def test_flower_shows_the_queues_of_every_agent_and_takes_no_order(up: Up):
    wait_for(lambda: answers(up.flower_port), 20, "Flower")
    client = flower(up.credentials)
    wanted = {"control", "cpu.urgent.cpu-1", "gpu.background.cpu-1"}  # once the agent has registered
    wait_for(lambda: wanted <= queues_shown(client), 20, "the queues of the agent")
    assert "flower_worker_online" in client.get("/metrics").text
    orders = ("worker/shutdown/node@cpu-1", "task/revoke/x", "task/send-task/trainyard.run_cycle", "task/apply/x")
    for order in orders:
        assert client.post(f"/api/{order}").status_code == 403, order


def test_a_second_stack_in_the_same_home_is_refused(up: Up):
    assert up.process
    assert f"already runs in {up.home} (process {up.process.pid})" in up.refusal()


def test_after_kill_9_nothing_is_left_and_a_new_start_has_the_data_until_ctrl_c_ends_all(up: Up):
    assert up.process
    known, database = up.credentials, of_local_stack(up.home)["DATABASE_URL"]
    up.process.kill()
    wait_for(lambda: not up.processes(), 15, "every process of the killed stack to end")
    up.start_and_wait()
    assert (up.credentials, of_local_stack(up.home)["DATABASE_URL"]) == (known, database)
    assert up.get("/api/v1/jobs").status_code == 200
    began = time.monotonic()
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(30) == 0
    assert time.monotonic() - began < 15  # ten, and what a busy machine adds
    assert up.processes() == []


def test_a_port_that_is_taken_is_named_with_its_setting(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        stack = LocalStack(Home(tmp_path), Options(pick_free(), port, nodes=()), PrefixedOutput())
        with pytest.raises(StackError, match=f"Port {port} is taken by another program: set FLOWER_PORT to a free one"):
            stack.run()


def test_a_data_folder_that_cannot_be_written_is_named_with_its_setting(tmp_path: Path):
    (tmp_path / "file").touch()
    refusal = Up(tmp_path / "file" / "home").refusal()
    assert f"{tmp_path}/file/home cannot be written: Not a directory. Set TRAINYARD_HOME" in refusal


@pytest.mark.parametrize(
    ("node", "complaint"),
    [("bad name", "'bad name' is no name"), ("n:cores=2", "'cores=2' should be one of cpus"), ("n:cpus=", "'cpus='")],
)
def test_a_node_that_cannot_be_read_is_explained(node: str, complaint: str):
    with pytest.raises(StackError, match=complaint):
        NodeSpec.parse(node)


def test_a_database_of_theirs_that_stays_down_ends_in_a_clear_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    url = f"postgresql://nobody@127.0.0.1:{pick_free()}/none"
    options = Options(pick_free(), pick_free(), nodes=(), database_url=url, database_seconds=0.1)
    with pytest.raises(StackError, match=r"DATABASE_URL did not answer within 0.1 s: .*refused.*unset it"):
        LocalStack(Home(tmp_path), options, PrefixedOutput()).run()
    assert "waiting for the database of DATABASE_URL" in capsys.readouterr().out


@pytest.mark.parametrize(("said", "then"), [(None, "2"), ("30", "30")])
def test_the_pool_of_the_stack_is_decided_about_soon_unless_its_operator_says_when(said, then, monkeypatch):
    monkeypatch.delenv("TRAINYARD_SCALING_SECONDS", raising=False)
    if said:
        monkeypatch.setenv("TRAINYARD_SCALING_SECONDS", said)
    assert scaled_pool.pace() == {"TRAINYARD_SCALING_SECONDS": then}
