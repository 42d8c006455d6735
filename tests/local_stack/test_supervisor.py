"""Starting, restarting and stopping the stack's processes: real ones, small ones."""

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path

import psutil
import pytest

from local_stack.servers.errors import StackError
from local_stack.servers.output import PrefixedOutput
from local_stack.servers.processes import Role
from local_stack.servers.supervisor import Supervisor
from tests.waiting import wait_for


class Lines(PrefixedOutput):
    """Keeps what would be shown."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[tuple[str, str]] = []

    def show(self, name: str, line: str) -> None:
        self.shown.append((name, line))

    def of(self, name: str) -> list[str]:
        return [line for shown_name, line in self.shown if shown_name == name]


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def supervisor(lines: Lines, tmp_path: Path) -> Supervisor:
    return Supervisor(lines, tmp_path / "processes.json")


def run(work: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 20))


async def until(condition: Callable[[], object]) -> None:
    await asyncio.to_thread(wait_for, condition, 10)


def test_each_line_is_shown_under_the_name_of_its_process(supervisor: Supervisor, lines: Lines):
    async def work() -> None:
        supervisor.start(
            Role("one", ("sh", "-c", "echo from one; sleep 9")), Role("two", ("sh", "-c", "echo from two"))
        )
        await until(lambda: lines.of("one") and lines.of("two"))
        await supervisor.stop()

    run(work())
    assert lines.of("one") == ["from one"]
    assert lines.of("two")[0] == "from two"


def test_a_process_that_dies_is_started_again_later_each_time(supervisor: Supervisor, lines: Lines):
    async def work() -> None:
        supervisor.start(Role("weak", ("sh", "-c", "exit 3")))
        await until(lambda: len(lines.of("stack")) == 2)
        await supervisor.stop()

    run(work())
    assert lines.of("stack") == [
        "weak ended with exit code 3; it is started again in 0.5 s",
        "weak ended with exit code 3; it is started again in 1 s",
    ]


def test_what_a_dead_process_left_behind_is_ended_before_it_is_started_again(supervisor: Supervisor, lines: Lines):
    async def work() -> None:
        supervisor.start(Role("web", ("sh", "-c", "sleep 60 & echo $!; kill -9 $$")))
        await until(lambda: len(lines.of("web")) > 1)
        await supervisor.stop()

    run(work())
    children = [int(pid) for pid in lines.of("web")]
    wait_for(lambda: not any(map(is_running, children)), 5, "the children to end")


def test_groups_stop_in_reverse_order_of_their_start(supervisor: Supervisor, lines: Lines):
    def says_when_stopped(name: str) -> Role:
        script = f"trap 'echo {name} stops; exit' TERM; echo ready; while :; do sleep 0.05; done"
        return Role(name, ("sh", "-c", script))

    async def work() -> None:
        for name in ("database", "broker", "agent"):
            supervisor.start(says_when_stopped(name))
        await until(lambda: len(lines.shown) == 3)
        await supervisor.stop()

    run(work())
    assert [name for name, line in lines.shown if "stops" in line] == ["agent", "broker", "database"]


def test_a_process_that_ignores_its_signal_is_killed_in_time(lines: Lines, tmp_path: Path):
    supervisor = Supervisor(lines, tmp_path / "processes.json", stop_seconds=0.3)

    async def work() -> None:
        supervisor.start(Role("deaf", ("sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.1; done")))
        await until(lambda: lines.of("deaf"))
        await supervisor.stop()

    run(work())
    assert lines.of("stack") == ["deaf did not stop in time and is killed"]


@pytest.mark.parametrize("again", [False, True])
def test_a_process_with_patience_has_more_time_than_the_others_until_a_second_signal(lines, tmp_path, again):
    supervisor = Supervisor(lines, tmp_path / "processes.json", stop_seconds=0.3)
    saves = "trap 'sleep 1.5; echo saved; exit' TERM; echo up; while :; do sleep 0.1; done"

    async def work() -> None:
        supervisor.start(Role("agent", ("sh", "-c", saves), patience=15))
        await until(lambda: lines.of("agent"))
        supervisor._on_signal(signal.SIGINT)
        if again:
            supervisor._on_signal(signal.SIGINT)
        await supervisor.stop()

    run(work())
    assert ("saved" in lines.of("agent")) is not again


def test_readiness_fails_at_once_when_the_process_ended(supervisor: Supervisor):
    async def work() -> None:
        supervisor.start(Role("broken", ("false",)))
        try:
            await supervisor.until_ready("broken", lambda: False)
        finally:
            await supervisor.stop()

    with pytest.raises(StackError, match="broken ended as soon as it was started"):
        run(work())


def test_a_command_that_does_not_exist_is_named_and_tried_again(supervisor: Supervisor, lines: Lines):
    async def work() -> None:
        supervisor.start(Role("typo", ("no-such-command",)))
        await until(lambda: lines.of("stack"))
        await supervisor.stop()

    run(work())
    assert "cannot be started" in lines.of("typo")[0]


def test_an_endless_line_is_shown_in_pieces(supervisor: Supervisor, lines: Lines):
    async def work() -> None:
        supervisor.start(Role("wordy", (sys.executable, "-c", "print('x' * 300_000, end='', flush=True); input()")))
        await until(lambda: len("".join(lines.of("wordy"))) > 200_000)
        await supervisor.stop()

    run(work())
    assert max(map(len, lines.of("wordy"))) <= 2 * 64 * 1024


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
