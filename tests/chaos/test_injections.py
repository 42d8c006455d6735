"""Every kind of fault can be done, and what second agents and broken disks did is told."""

import subprocess
import sys

import psutil
import pytest
from django.db import connection, transaction

from chaos.fault_kinds import FaultKind
from chaos.injections import INJECTIONS, ON_A_PART, PART_OF, undoing
from chaos.injections.agents import disobeys
from chaos.injections.database import LOCKS
from chaos.injections.folders import fill
from tests.waiting import wait_for

COUNTING = """
import os, signal, time
caught = set()
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1):
    signal.signal(number, lambda caught_now, _: caught.add(caught_now))
print("ready", flush=True)
while len(caught) < 5:
    time.sleep(0.01)
os._exit(0)  # at once: what is sent while an interpreter winds up finds no handler any more
"""


@pytest.mark.parametrize("kind", FaultKind, ids=lambda kind: kind.replace(" ", "-"))
def test_every_kind_of_fault_can_be_done(kind):
    word, _, what = kind.partition(" ")

    assert kind in INJECTIONS or (word in PART_OF and what in ON_A_PART)


def test_a_process_that_is_stopped_goes_on_when_that_is_undone():
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as sleeper:
        go_on = undoing.stop([sleeper.pid, 0])
        wait_for(lambda: psutil.Process(sleeper.pid).status() == psutil.STATUS_STOPPED, 5, "it to stop")
        go_on()
        wait_for(lambda: psutil.Process(sleeper.pid).status() != psutil.STATUS_STOPPED, 5, "it to go on")
        sleeper.kill()


def test_what_is_gone_cannot_be_stopped_or_signalled():
    with pytest.raises(undoing.CannotBeDoneError):
        undoing.stop([0])
    with pytest.raises(undoing.CannotBeDoneError):
        undoing.signal_often(0, 0.5)


def test_a_storm_of_signals_has_all_of_them():
    with subprocess.Popen([sys.executable, "-c", COUNTING], stdout=subprocess.PIPE) as caught:
        assert caught.stdout is not None
        assert caught.stdout.readline()
        undoing.signal_often(caught.pid, 0.3)

        assert caught.wait(10) == 0


def test_a_disk_is_filled_until_it_takes_no_byte(tmp_path, monkeypatch):
    room = 3 * 1024 * 1024 + 5

    def write(_descriptor: int, block: bytes) -> int:
        nonlocal room
        if len(block) > room:
            raise OSError(28, "No space left on device")
        room -= len(block)
        return len(block)

    monkeypatch.setattr("chaos.injections.folders.os.write", write)
    fill(tmp_path / "filler")

    assert room == 0


@pytest.mark.parametrize(
    ("code", "lines", "held", "disobedient"),
    [
        (1, ["refused"], True, False),
        (1, ["refused"], False, False),
        (1, ["Traceback", "refused"], True, True),
        (1, [], True, True),
        (0, ["bye"], False, True),
        (None, [], True, False),  # it starts
        (None, ["node n1 is up"], True, True),
        (None, ["the database does not answer"], False, False),
    ],
)
def test_a_second_agent_obeys_by_ending_in_one_line(code, lines, held, disobedient):
    assert disobeys(code, lines, held=held) is disobedient


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("lock", LOCKS)
def test_every_lock_can_be_taken(lock):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(lock)
