"""When an agent that leaves goes, and what it does before."""

import queue
import threading
from concurrent.futures import CancelledError
from typing import Any

import pytest
from celery.exceptions import WorkerShutdown

from executors.celery_worker import bootstep, shutdown
from executors.celery_worker.shutdown import ShutdownThread
from executors.session.sync import SYNC_THREAD
from scheduling.errors import ConflictError
from workers.protocol import ProtocolError


class Leaving:
    """A shutdown whose ends are told instead of ending the tests."""

    def __init__(self, monkeypatch, *, said=True):
        self.told: queue.SimpleQueue[tuple[str, bool]] = queue.SimpleQueue()
        for name in ("end", "restart"):
            monkeypatch.setattr(shutdown, name, lambda said, name=name: self.told.put((name, said)))
        self.thread = ShutdownThread(lambda _seconds: said)
        self.thread.start()

    def outcome(self):
        return self.told.get(timeout=10)


@pytest.mark.parametrize("said", [True, False])
def test_last_words_come_before_the_end(monkeypatch, said):
    leaving = Leaving(monkeypatch, said=said)
    leaving.thread.detach()
    assert leaving.outcome() == ("end", said)


def test_an_agent_may_begin_anew(monkeypatch):
    leaving = Leaving(monkeypatch)
    leaving.thread.renew()
    assert leaving.outcome() == ("restart", True)


def test_an_agent_that_does_not_end_by_itself_in_its_time_leaves(monkeypatch):
    leaving = Leaving(monkeypatch, said=False)
    leaving.thread.detach_within(0.05)
    assert leaving.outcome() == ("end", False)


def test_an_agent_that_drains_may_be_told_to_leave_at_once(monkeypatch):
    leaving = Leaving(monkeypatch)
    leaving.thread.detach_within(3600.0)
    leaving.thread.detach_within(7200.0)
    leaving.thread.detach()
    assert leaving.outcome() == ("end", True)


def test_an_agent_that_cannot_reach_the_database_any_more_ends_and_one_whose_other_threads_fail_goes_on(
    monkeypatch, capfd
):
    ends: list[bool] = []
    monkeypatch.setattr(bootstep, "end", lambda *, said: ends.append(said))
    monkeypatch.setattr(threading, "excepthook", bootstep.end_when_silenced)
    for name in ("job-1", SYNC_THREAD):
        thread = threading.Thread(target=lambda: 1 / 0, name=name)
        thread.start()
        thread.join()
    assert ends == [False]
    assert "ZeroDivisionError" in capfd.readouterr().err


class Refused:
    """A runner whose start fails like this; `detached` once it has left its jobs to the next agent."""

    detached = False

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def start(self) -> None:
        raise self.error

    def detach(self, _within: float) -> bool:
        self.detached = True
        return True


@pytest.mark.parametrize(
    ("error", "detached"), [(ConflictError("another agent speaks for the node"), False), (RuntimeError("broken"), True)]
)
def test_an_agent_that_cannot_begin_ends_with_an_error_and_leaves_its_jobs_alone(monkeypatch, error, detached):
    ends: list[bool] = []
    monkeypatch.setattr(bootstep, "end", lambda *, said: ends.append(said))
    runner: Any = Refused(error)
    bootstep.begin(runner)
    assert (ends, runner.detached) == ([False], detached)


def test_an_agent_that_is_told_to_end_before_the_database_answers_has_not_failed():
    runner: Any = Refused(CancelledError())
    with pytest.raises(WorkerShutdown) as ended:
        bootstep.begin(runner)
    assert ended.value.code == 0


def test_an_agent_whose_protocol_is_refused_ends_with_the_code_that_starts_it_no_more(monkeypatch, caplog):
    codes: list[int] = []
    monkeypatch.setattr("os._exit", codes.append)
    runner: Any = Refused(
        ProtocolError("The agent speaks protocol 9, the platform 0 and 1: upgrade the platform first.")
    )
    bootstep.begin(runner)
    assert (codes, runner.detached) == ([78], False)
    assert "not to be started again as it is: The agent speaks protocol 9" in caplog.text
