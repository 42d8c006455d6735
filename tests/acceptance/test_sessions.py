"""Sessions beside real jobs: the site's own server with two processes, a real agent, the real command line."""

import os
import pty
import select
import signal
import socket
import subprocess
import sys
import time
from functools import partial

import httpx
import psutil
import pytest
from knox.models import AuthToken

from jobs.models import JobSession, Placement
from local_stack.servers.ports import LOOPBACK, pick_free
from tests.acceptance.platform import ROOT, Platform, submitted, wait_for_state, words_of
from tests.waiting import wait_for
from workers.models import Node

pytestmark = pytest.mark.timeout(400)
CLI = [sys.executable, "-m", "cli.main"]
WEB = [sys.executable, "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py", "scheduler_site.wsgi"]
SLEEP = "echo started; exec sleep 600"


class Callers:
    """The command line, as the owner of the jobs or as somebody else."""

    def __init__(self, platform: Platform, url: str) -> None:
        self.platform, self.url = platform, url
        self.owner = ""

    def environment(self, token: str = "") -> dict[str, str]:
        known = {name: value for name, value in os.environ.items() if not name.startswith("TRAINYARD")}
        home = str(self.platform.home)
        return {**known, "HOME": home, "TRAINYARD_URL": self.url, "TRAINYARD_TOKEN": token or self.owner}

    def run(self, *words: object, given: bytes = b"", token: str = "", timeout: float = 60, **more):
        command = [*CLI, *map(str, words)]
        return subprocess.run(
            command, input=given, capture_output=True, env=self.environment(token), timeout=timeout, check=False, **more
        )

    def start(self, *words: object, **more) -> subprocess.Popen[bytes]:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        return subprocess.Popen([*CLI, *map(str, words)], env=self.environment(), **pipes)


@pytest.fixture
def site(platform: Platform):
    """The platform with one node, and the site with two processes."""
    port = pick_free()
    url = f"http://{LOOPBACK}:{port}"
    platform.environment |= {
        "TRAINYARD_CODE_URL": url,
        "TRAINYARD_LEASE_SECONDS": "60",
    }  # agents are killed and come back
    platform.start_control()
    up(platform, "n1")
    platform._start("web", WEB, TRAINYARD_PORT=str(port), TRAINYARD_WEB_WORKERS="2", TRAINYARD_WEB_THREADS="2")
    wait_for(partial(answers, f"{url}/api/v1/healthz"), 120, lambda: f"the site; {platform.log('web')}")
    return Callers(platform, url)


def up(platform: Platform, name: str) -> None:
    """Other tests may keep this machine busy."""
    platform.start_node(name, wait=False, cpus=4)
    heard = Node.objects.filter(name=name, state="up", agent_id__isnull=False)
    wait_for(heard.exists, 120, lambda: f"node {name}; {platform.log(name)}")


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.TransportError:
        return False


def running(site: Callers, *commands: str, **fields):
    """Jobs with these commands, which run, and their owner as the caller."""
    jobs = submitted(*commands or (SLEEP,), **fields)
    site.owner = AuthToken.objects.create(jobs[0].owner)[1]
    return [wait_for_state(job, "running", platform=site.platform) for job in jobs]


def events(job, kind):
    return list(job.events.filter(kind=kind).order_by("pk"))


def no_sessions_left() -> bool:
    return not JobSession.objects.filter(ended_at__isnull=True).exists()


def inside(platform: Platform, words: str) -> list[psutil.Process]:
    return [one for one in platform.jobs() if words in " ".join(words_of(one))]


def test_a_command_beside_a_job_has_its_place_and_tells_its_end(site: Callers):
    (job,) = running(site, SLEEP, env={"COLOUR": "green"})

    told = site.run(
        "exec",
        job.pk,
        "--",
        "sh",
        "-c",
        'echo "$COLOUR $TRAINYARD_JOB_ID $CUDA_VISIBLE_DEVICES"; pwd; echo bad >&2; exit 7',
    )
    lines = told.stdout.decode().splitlines()
    assert told.returncode == 7, told
    assert lines[0] == f"green {job.pk} "
    assert lines[1].endswith(f"jobs/{job.pk}/outputs/1")
    assert told.stderr == b"bad\n"

    data = os.urandom(3_000_000) + bytes(range(256))
    echoed = site.run("exec", job.pk, "--", "cat", given=data)
    assert (echoed.returncode, echoed.stdout == data, echoed.stderr) == (0, True, b"")
    assert site.run("exec", job.pk, "--", "cat").stdout == b""

    missing = site.run("exec", job.pk, "--", "no-such-program")
    assert missing.returncode == 127
    assert b"no-such-program" in missing.stderr
    assert site.run("exec", job.pk, "--", "/etc").returncode == 126
    assert site.run("exec", job.pk, "--", "sh", "-c", "kill -9 $$").returncode == 137

    wait_for(no_sessions_left, 45)
    opened, ended = events(job, "session_opened"), events(job, "session_ended")
    assert len(opened) == len(ended) == 6
    assert {one.actor for one in opened + ended} == {job.owner.username}
    assert ended[0].data["exit_code"] == 7
    assert ended[0].data["command"][0] == "sh"
    assert "exit code 7" in ended[0].message
    wait_for_state(job, "running")


def test_a_session_ends_with_its_caller_and_with_its_job(site: Callers):
    (job,) = running(site)
    left = site.start("exec", job.pk, "--", "sh", "-c", "setsid sleep 511 & echo here; exec sleep 512")
    assert left.stdout.readline() == b"here\n"
    assert len(inside(site.platform, "sleep 51")) == 2
    left.kill()
    wait_for(lambda: not inside(site.platform, "sleep 51"), 10, "the session to end with its caller")
    left.wait(5)

    stays = site.start(
        "exec", job.pk, "--", "sh", "-c", "trap '' TERM HUP; setsid sleep 513 & echo here; sleep 514; sleep 515"
    )
    assert stays.stdout.readline() == b"here\n"
    assert site.run("cancel", job.pk).returncode == 0
    wait_for_state(job, "cancelled")
    assert not inside(site.platform, "sleep 51")
    assert stays.wait(10) == 255
    assert b"ended" in stays.stderr.read()
    wait_for(no_sessions_left, 45)
    late = site.run("exec", job.pk, "--", "true")
    assert late.returncode == 1
    assert b"is over (cancelled)" in late.stderr


@pytest.mark.parametrize("victim", ["agent", "web"])
def test_whoever_is_killed_takes_the_session_along_and_the_job_goes_on(site: Callers, victim):
    (job,) = running(site)
    session = site.start("exec", job.pk, "--", "sh", "-c", "echo here; exec sleep 521")
    assert session.stdout.readline() == b"here\n"
    if victim == "agent":
        site.platform.kill("n1")
    else:
        for process in psutil.Process(site.platform.processes["web"].pid).children():
            process.kill()
    assert session.wait(20) == 255
    assert b"broke off" in session.stderr.read() or b"gone" in session.stderr.read()
    wait_for(lambda: not inside(site.platform, "sleep 521"), 15, "nothing to be left of it")
    if victim == "agent":
        site.platform.start_node("n1", wait=False, cpus=4, process="n1-again")
    else:
        wait_for(partial(answers, f"{site.url}/api/v1/healthz"), 60)
    wait_for(no_sessions_left, 60)
    assert site.run("exec", job.pk, "--", "echo", "again").stdout == b"again\n"
    assert Placement.objects.filter(attempt__job=job).count() == 1


def test_a_flood_fills_no_memory_and_ctrl_c_is_for_the_command(site: Callers):
    (job,) = running(site)
    flood = site.start("exec", job.pk, "--", "cat", "/dev/zero")
    assert flood.stdout.read(1_000_000) == bytes(1_000_000)  # and from now on nobody reads
    parts = [psutil.Process(flood.pid), psutil.Process(site.platform.processes["n1"].pid),
             *psutil.Process(site.platform.processes["web"].pid).children()]  # fmt: skip
    before = [one.memory_info().rss for one in parts]
    time.sleep(3)  # long enough for gigabytes
    grown = [one.memory_info().rss - was for one, was in zip(parts, before, strict=True)]
    assert max(grown) < 30 * 2**20, grown
    quick = time.monotonic()
    assert site.run("exec", job.pk, "--", "echo", "beside").stdout == b"beside\n"
    assert time.monotonic() - quick < 15
    flood.send_signal(signal.SIGINT)
    flood.stdout.close()
    assert flood.wait(10) in (130, 141)

    patient = site.start(
        "exec", job.pk, "--", "sh", "-c", "trap 'echo caught; exit 3' INT; echo here; while :; do sleep 0.1; done"
    )
    assert patient.stdout.readline() == b"here\n"
    patient.send_signal(signal.SIGINT)
    assert patient.wait(10) == 3
    assert patient.stdout.read() == b"caught\n"

    stubborn = site.start(
        "exec", job.pk, "--", "sh", "-c", "trap 'echo no' INT; echo here; while :; do sleep 0.1; done"
    )
    assert stubborn.stdout.readline() == b"here\n"
    stubborn.send_signal(signal.SIGINT)
    assert stubborn.stdout.readline() == b"no\n"
    stubborn.send_signal(signal.SIGINT)
    assert stubborn.wait(10) == 130
    wait_for(no_sessions_left, 45)


class Terminal:
    """A terminal with the command line in it."""

    def __init__(self, site: Callers, *words: object) -> None:
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            environment = {**site.environment(), "TERM": "xterm", "PYTHONPATH": str(ROOT)}
            os.execve(sys.executable, [*CLI, *map(str, words)], environment)  # noqa: S606
        self.seen = b""

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def until(self, text: str, seconds: float = 30) -> str:
        give_up = time.monotonic() + seconds
        while text.encode() not in self.seen:
            assert time.monotonic() < give_up, self.seen
            if select.select([self.fd], [], [], 0.2)[0]:
                self.seen += os.read(self.fd, 65536)
        before, _, self.seen = self.seen.partition(text.encode())
        return before.decode(errors="replace")

    def answer(self, text: str, prompt: str) -> str:
        self.type(text)
        return self.until(prompt)

    def end(self) -> int:
        while True:  # a terminal whose output nobody reads lets nobody go
            try:
                if select.select([self.fd], [], [], 0.1)[0] and not os.read(self.fd, 65536):
                    break
            except OSError:
                break
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_a_shell_is_a_terminal(site: Callers):
    import fcntl
    import struct
    import termios

    (job,) = running(site, SLEEP, env={"PS1": "there> "})
    terminal = Terminal(site, "shell", job.pk, "--", "sh")
    terminal.until("there> ")
    terminal.type("tty -s && echo a'-'tty $TERM $TRAINYARD_JOB_ID\r")
    assert f"{job.pk}" in terminal.until("there> ").split("a-tty xterm ")[1]
    fcntl.ioctl(terminal.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 101, 0, 0))
    wait_for(lambda: "33 101" in terminal.answer("stty size\r", "there> "), 10)
    terminal.type("sleep 531\r")
    wait_for(lambda: inside(site.platform, "sleep 531"), 10)
    terminal.type("\x03")
    terminal.until("there> ")
    wait_for(lambda: not inside(site.platform, "sleep 531"), 5)
    terminal.type("exit 9\r")
    assert terminal.end() == 9

    usual = Terminal(site, "shell", job.pk)
    usual.type("echo $((40+2))\r")
    usual.until("42")
    usual.type("exit\r")  # the end of input would be lost where the shell has not asked for its next line yet
    usual.end()
    refused = site.run("shell", job.pk)
    assert refused.returncode == 2
    assert b"needs a terminal" in refused.stderr


SERVER = """
import http.server, os, socketserver
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"x" * 2_000_000 if self.path == "/large" else os.environ["TRAINYARD_JOB_ID"].encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


def test_a_port_of_a_job_is_reached_from_here(site: Callers):
    port = pick_free()
    (job,) = submitted([sys.executable, "-c", SERVER], env={"PORT": str(port)})
    site.owner = AuthToken.objects.create(job.owner)[1]
    wait_for_state(job, "running")
    wait_for(lambda: socket.socket().connect_ex((LOOPBACK, port)) == 0, 20, "the server in the job")
    forwarded = site.start("port", job.pk, port, "--local", 0)
    told = forwarded.stderr.readline().decode()
    here = f"http://{told.split(' ')[0]}"
    assert f"port {port} beside job {job.pk}" in told
    assert httpx.get(here, timeout=20).text == str(job.pk)
    with httpx.Client(timeout=30) as client:  # one connection after the other, and many at once
        assert len(client.get(f"{here}/large").content) == 2_000_000
        data = os.urandom(1_500_000)
        assert client.post(here, content=data).content == data
        stuck = [socket.create_connection((LOOPBACK, int(here.rpartition(":")[2]))) for _ in range(3)]
        for one in stuck:  # they ask for much and read nothing
            one.sendall(b"GET /large HTTP/1.0\r\n\r\n")
        assert client.get(here).text == str(job.pk)
        for one in stuck:
            one.close()
    forwarded.send_signal(signal.SIGINT)
    assert forwarded.wait(30) == 0  # on a busy machine a process takes seconds to end
    nobody = site.run("port", job.pk, pick_free(), "--local", 0)
    assert nobody.returncode == 1
    assert b"Nobody listens on port" in nobody.stderr
    with socket.create_server((LOOPBACK, 0)) as taken:
        busy = site.run("port", job.pk, port, "--local", taken.getsockname()[1])
    assert busy.returncode == 2
    assert b"--local" in busy.stderr
    wait_for(no_sessions_left, 45)
    assert port in [ended.data["port"] for ended in events(job, "session_ended")]


def test_idle_sessions_end_and_those_of_who_may_no_more(site: Callers):
    site.platform.stop("n1")
    site.platform.start_node("n1", wait=False, cpus=4, process="n1-strict", TRAINYARD_SESSION_IDLE_SECONDS="2")
    (job,) = running(site)
    idle = site.run("exec", job.pk, "--", "sleep", "600")
    assert idle.returncode == 255
    assert b"Nothing was said for 2 s" in idle.stderr
    busy = site.start("exec", job.pk, "--", "sh", "-c", "while :; do echo on; sleep 0.5; done")
    assert busy.stdout.readline() == b"on\n"
    job.owner.is_active = False
    job.owner.save()
    for _ in busy.stdout:
        pass
    assert busy.wait(10) == 255
    assert b"may not be beside" in busy.stderr.read()


def test_members_of_a_gang_each_have_their_own(site: Callers):
    up(site.platform, "n2")
    (job,) = running(site, SLEEP, nodes=2)
    found = {site.run("exec", job.pk, "--rank", rank, "--", "sh", "-c", "echo $RANK").stdout for rank in (0, 1)}
    assert found == {b"0\n", b"1\n"}
    beyond = site.run("exec", job.pk, "--rank", "2", "--", "true")
    assert beyond.returncode == 1
    assert b"rank: Must be from 0 to 1" in beyond.stderr
