"""What a person at a real terminal sees, and how they leave."""

import json
import signal

import pytest

from tests.cli.rows import failed, job, node, running
from tests.cli.terminal import Terminal

LONG = "a-very-long-name-of-a-training-run-that-somebody-gave-to-it"
REASON = [{"code": "gpus", "sentence": "2 GPUs of 80 GB are missing on every node that is up at this moment."}]


@pytest.fixture
def terminal():
    opened = []

    def open_terminal(*words, columns=80):
        opened.append(Terminal(*words, columns=columns))
        return opened[-1]

    yield open_terminal
    for one in opened:
        one.close()


@pytest.mark.parametrize("columns", [60, 120, 200])
def test_a_list_fits_any_terminal_and_no_id_is_cut(terminal, connected, columns):
    jobs = [running(123456789, name=LONG, progress=0.5), job(2, name=LONG, reasons=REASON), failed(3)]
    connected.lists("jobs", *jobs)

    seen = terminal("list", columns=columns)

    assert seen.ended() == 0
    assert max(len(line) for line in seen.lines()) <= columns
    assert "123456789" in seen.written
    assert all(state in seen.written for state in ("running", "pending", "failed"))


def test_states_are_coloured_on_a_terminal(terminal, connected):
    connected.lists("jobs", failed(3))

    seen = terminal("list")

    assert seen.ended() == 0
    assert "\x1b[1;31mfailed" in seen.written


def test_a_job_is_framed_on_a_terminal(terminal, connected):
    connected.answers("GET", "jobs/2", job(2, name="[red]x[/]", reasons=REASON))
    connected.lists("jobs/2/attempts")
    connected.lists("jobs/2/events")

    seen = terminal("show", 2)

    assert seen.ended() == 0
    assert seen.lines()[0].startswith("╭─ job 2 [red]x[/] ──")
    assert max(len(line) for line in seen.lines()) <= 80


WELL = {"ok": True, "detail": "It works."}
DASHBOARD = {
    "jobs": {"running": 1, "failed": 0},
    "services": {"web": WELL, "broker": {"ok": False, "detail": "It does not answer."}},
    "cost": {"currency": "EUR", "today": "7.500000", "month": "120.000000", "pending": "0.000000"},
}


def test_top_is_left_with_q_and_gives_the_terminal_back(terminal, connected):
    connected.lists("nodes", node("n1"))
    connected.lists("jobs", running(17))
    connected.answers("GET", "dashboard", DASHBOARD)
    seen = terminal("top", columns=100)
    seen.read_until("n1")
    assert not seen.echoes()

    seen.type("q")

    assert seen.ended() == 0
    assert seen.echoes()


def test_top_waits_for_a_server_that_is_away(terminal, connected):
    connected.answers("GET", "nodes", {"results": [node("n1")]})
    connected.refuses("GET", "nodes", 503, "The database is starting.")
    connected.lists("jobs", running(17))
    connected.answers("GET", "dashboard", DASHBOARD)

    seen = terminal("top", "--every", "0.5", columns=100)

    seen.read_until("The database is starting")
    assert seen.process.poll() is None


def test_top_is_left_with_ctrl_c(terminal, connected):
    connected.lists("nodes", node("n1"))
    connected.lists("jobs", running(17))
    connected.answers("GET", "dashboard", DASHBOARD)
    seen = terminal("top", columns=100)
    seen.read_until("n1")

    seen.process.send_signal(signal.SIGINT)

    assert seen.ended() == 0
    assert "Traceback" not in seen.written


def test_ctrl_c_leaves_a_log_quietly(terminal, connected):
    connected.answers("GET", "jobs/17", running(17))
    piece = {"attempt": 1, "offset": 0, "next_offset": 4, "text": "one\n", "complete": False}
    connected.streams("jobs/17/logs", f"data: {json.dumps(piece)}\n\n")
    seen = terminal("logs", "-f", 17)
    seen.read_until("one")

    seen.process.send_signal(signal.SIGINT)

    assert seen.ended() == 130
    assert seen.lines() == ["one"]


def test_ctrl_c_while_waiting_says_that_the_job_goes_on(terminal, connected):
    connected.answers("POST", "jobs", job(17), status=201)
    connected.answers("GET", "jobs/17", running(17))
    seen = terminal("submit", "--wait", "true")
    seen.read_until("running")

    seen.process.send_signal(signal.SIGINT)

    assert seen.ended() == 130
    assert "job 17 goes on; to stop it: trainyard cancel 17" in seen.written


def test_a_password_is_not_shown(terminal, yard):
    yard.answers("POST", "auth/tokens", {"token": "t0k3n", "expiry": None}, status=201)
    seen = terminal("login", yard.url)
    seen.read_until("User")
    seen.type("ada\n")
    seen.read_until("Password: ")

    seen.type("secret\n")

    assert seen.ended() == 0
    assert yard.asked[0].body == {"username": "ada", "password": "secret"}
    assert "secret" not in seen.written
