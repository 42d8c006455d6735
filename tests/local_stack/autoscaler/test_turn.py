"""Of several autoscalers one acts; another one takes over when it ends, however it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import DatabaseError, connection
from django.test.utils import override_settings

from local_stack.autoscaler.turn import our_turn
from tests.acceptance.platform import ROOT, database_address
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


class NotYetError(Exception): ...


def not_yet() -> None:
    raise NotYetError


def test_the_second_waits_until_the_first_has_ended():
    with our_turn(not_yet) as still_ours:
        still_ours()
        with pytest.raises(NotYetError), our_turn(not_yet):
            pass
    with our_turn(not_yet):
        pass


def test_who_has_lost_its_connection_has_lost_the_turn_and_learns_it_before_it_acts():
    with our_turn(not_yet) as still_ours:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = 1953653107"
            )
        with pytest.raises(DatabaseError):
            still_ours()


@override_settings(DEBUG=False)
def test_one_that_is_killed_makes_room_for_the_next(tmp_path: Path):
    environment = {**os.environ, "DATABASE_URL": database_address(), "TRAINYARD_HOME": str(tmp_path)}
    command = [sys.executable, "manage.py", "autoscaler", "--every", "0.2", "--skip-checks"]
    started = []
    for name in ("first", "second"):
        with (tmp_path / name).open("wb") as log:
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        started.append(process)
        if name == "first":
            wait_for((tmp_path / name).read_text, 40, "the first to act")
    try:
        assert (tmp_path / "second").read_text() == ""
        started[0].kill()
        wait_for(lambda: "acts for the pools" in (tmp_path / "second").read_text(), 40, "the second to act")
        started[1].send_signal(signal.SIGTERM)
        assert started[1].wait(20) == 0
    finally:
        for process in started:
            process.kill()
            process.wait(10)


@pytest.mark.parametrize("words", [["--every", "0"], ["--commands", "/nowhere"]])
def test_nonsense_is_refused_in_words(words):
    command = [sys.executable, "manage.py", "autoscaler", "--skip-checks", *words]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, words[0] in ended.stderr, "Traceback" in ended.stderr) == (2, True, False)
