"""Several calls of an engine beside the bridge's thread: what is promised of their order, their faults and their number."""

import threading
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from executors.bridge.errands import Errands
from executors.engine import OutOfReachError
from tests.waiting import wait_for


def errands(asks_at_once: int | None, told: list[int] | None = None) -> Errands:
    engine: Any = SimpleNamespace() if asks_at_once is None else SimpleNamespace(asks_at_once=asks_at_once)
    return Errands(engine, lambda: (told if told is not None else []).append(1))


def test_calls_run_beside_each_other_and_what_follows_in_the_callers_thread():
    all_here = threading.Barrier(4, timeout=20)
    mine, threads = errands(4), []
    for _ in range(4):
        mine.ask(all_here.wait, lambda _: threads.append(threading.current_thread()))
    wait_for(lambda: mine._over.qsize() == 4, 20, "all of them to meet")
    assert (threads, mine.under_way) == ([], 4)
    mine.note()
    assert (set(threads), mine.under_way) == ({threading.current_thread()}, 0)


@pytest.mark.parametrize("says", [None, 1])
def test_an_engine_that_does_not_say_so_is_asked_by_one_thread(says):
    mine, threads = errands(says), []
    for _ in range(3):
        mine.ask(lambda: threads.append(threading.current_thread()), lambda _: None)
    assert threads == [threading.current_thread()] * 3


@pytest.mark.parametrize("at_once", [1, 4])
def test_a_cluster_that_does_not_answer_is_told_once_the_others_are_noted_and_asked_nothing_more(at_once):
    def silent() -> None:
        raise OutOfReachError("no route")

    mine = errands(at_once)
    noted: list[object] = []
    for call in (silent, lambda: "taken"):
        mine.ask(call, noted.append)
    wait_for(lambda: mine._over.qsize() == 2, 20, "both to be over")
    assert (mine.room, mine.spare_room) == (0, 0)
    with pytest.raises(OutOfReachError, match="no route"):
        mine.note()
    assert "taken" in noted
    assert mine.room > 0


def test_one_thread_does_many_in_a_turn_and_not_for_long(monkeypatch):
    mine = errands(1)
    done: list[int] = []
    for number in range(100):
        assert mine.room
        mine.ask(partial(done.append, number), lambda _: None)
    assert done == list(range(100))
    monkeypatch.setattr(mine, "_turn_ends", 0.0)
    assert mine.room == 0
    mine.note()
    assert mine.room


def test_what_goes_wrong_with_one_is_given_to_what_follows():
    mine = errands(1)
    noted: list[object] = []
    mine.ask(lambda: 1 // 0, noted.append)
    mine.note()
    assert isinstance(noted[0], ZeroDivisionError)


def test_the_last_of_few_is_told_at_once_and_many_together():
    told: list[int] = []
    go = threading.Event()
    mine = errands(2, told)
    for _ in range(16):
        mine.ask(lambda: go.wait(20), lambda _: None)
    go.set()
    wait_for(lambda: mine._over.qsize() == 16, 20, "all to be over")
    wait_for(lambda: told, 20, "that it is told")
    assert len(told) < 16
    mine.note()
    told.clear()
    mine.ask(lambda: None, lambda _: None)
    wait_for(lambda: told, 20, "the only one to be told")


def test_ends_have_room_that_starts_do_not_take():
    mine, go = errands(2), threading.Event()
    while mine.room:
        mine.ask(lambda: go.wait(20), lambda _: None)
    assert mine.spare_room > 0
    go.set()
    mine.close(wait=True)
    assert (mine.room, mine.spare_room) == (0, 0)
