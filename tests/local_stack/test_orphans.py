"""What the next start does about processes of a stack that was killed."""

import os
import signal
from pathlib import Path

import psutil
import pytest

from local_stack.servers import orphans
from local_stack.servers.orphans import Recorded
from tests.waiting import wait_for


@pytest.fixture
def process_list(tmp_path: Path) -> Path:
    return tmp_path / "processes.json"


def started(script: str) -> psutil.Popen:
    return psutil.Popen(["sh", "-c", script], start_new_session=True)


def recorded(process: psutil.Popen, name: str = "web") -> Recorded:
    record = Recorded.of(name, process.pid, signal.SIGTERM)
    assert record
    return record


def test_processes_left_over_are_ended_with_their_children_even_when_they_ignore_the_signal(process_list: Path):
    web, deaf = started("sleep 60 & wait"), started("trap '' TERM; while :; do sleep 0.1; done")
    orphans.record(process_list, [recorded(web), recorded(deaf, "deaf")])
    assert orphans.clear_away(process_list, patience=0.3) == ["web", "deaf"]
    assert (web.wait(5), deaf.wait(5)) == (-signal.SIGTERM, -signal.SIGKILL)
    assert orphans.clear_away(process_list) == []


def test_children_of_a_process_that_is_gone_are_ended_too(process_list: Path):
    web = started("sleep 60 & wait")
    orphans.record(process_list, [recorded(web)])
    [child] = wait_for(web.children)
    web.kill()
    web.wait()
    assert orphans.clear_away(process_list, patience=0.3) == ["web"]
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_a_stranger_who_got_the_number_later_is_left_alone(process_list: Path):
    stranger = started("sleep 60")
    record = Recorded("web", stranger.pid, stranger.create_time() - 60, signal.SIGTERM)
    orphans.record(process_list, [record])
    assert orphans.clear_away(process_list) == []
    assert stranger.poll() is None
    os.killpg(stranger.pid, signal.SIGKILL)
    stranger.wait()


def test_a_damaged_list_stops_nobody(process_list: Path):
    process_list.write_text('[{"name": "we')
    assert orphans.clear_away(process_list) == []
