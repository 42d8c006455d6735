"""Processes that train together stop after the same step: here threads that meet as processes do in an all-reduce."""

import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from types import ModuleType, SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainyard import agreement
from trainyard.agreement import Agreement

NEVER = 10**6


class Meeting:
    """Each rank brings its values and gets the greatest of all; one that waits alone for long is an error."""

    def __init__(self, ranks):
        self.brought = []
        self.greatest = []
        self.barrier = Barrier(ranks, self.compare, timeout=10)

    def compare(self):
        self.greatest = [max(column) for column in zip(*self.brought, strict=True)]
        self.brought = []

    def exchange(self, values, _):
        self.brought.append(values)
        self.barrier.wait()
        return list(self.greatest)


def loop(items, told_at):
    """After how many items a rank stops; None if it gets through."""
    agreed = Agreement()
    for item in range(items):
        if agreed.stops(item >= told_at):
            return item
    agreed.end(items > told_at)
    return None


def run_all(monkeypatch, items, told_at, seconds=0.05):
    with monkeypatch.context() as patch, ThreadPoolExecutor(len(items)) as pool:
        patch.setattr(agreement, "_greatest", Meeting(len(items)).exchange)
        patch.setattr(agreement, "_group", lambda: "ours")
        patch.setattr(agreement, "ROUND_SECONDS", seconds)
        return list(pool.map(loop, items, told_at))


@settings(max_examples=50)
@given(st.integers(1, 40), st.lists(st.integers(0, 50), min_size=2, max_size=4), st.sampled_from([0, 0.0001, 0.01]))
def test_all_stop_after_the_same_item_or_all_get_through(items, told_at, seconds):
    with pytest.MonkeyPatch.context() as patch:
        stops = run_all(patch, [items] * len(told_at), told_at, seconds)
    assert len(set(stops)) == 1
    assert stops[0] is None or stops[0] >= min(told_at)


@settings(max_examples=30)
@given(st.lists(st.integers(0, 20), min_size=2, max_size=4))
def test_a_rank_with_fewer_items_keeps_nobody_waiting(items):
    with pytest.MonkeyPatch.context() as patch:
        assert run_all(patch, items, [NEVER] * len(items)) == [None] * len(items)


def test_slow_steps_ask_each_time_and_quick_ones_seldom():
    assert [agreement._steps_until_next(seconds) for seconds in (60, 0.05, 0.001, 0)] == [1, 1, 50, 1000]


def test_a_rank_that_is_lost_is_left_to_the_training(monkeypatch):
    def lost(*_):
        raise RuntimeError("Connection closed by peer")

    monkeypatch.setattr(agreement, "_greatest", lost)
    monkeypatch.setattr(agreement, "_group", lambda: "ours")
    agreed = Agreement()
    assert [agreed.stops(told) for told in (False, False, True)] == [False, False, True]


def test_without_torch_a_process_agrees_with_itself(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch.distributed", raising=False)
    agreed = Agreement()
    assert [agreed.stops(told) for told in (False, True)] == [False, True]


def distributed(monkeypatch, *, come):
    """A torch.distributed of two ranks, to the store of which `come` others have come."""
    module = ModuleType("torch.distributed")
    known = {"ranks": come}

    class Store:
        def __init__(self, *_):
            pass

        def add(self, name, number):
            known[name] += number
            return known[name]

        def compare_set(self, name, _, value):
            known.setdefault(name, value.encode())

        def wait(self, names, _):
            if names[0] not in known:
                raise RuntimeError("timed out")

        def get(self, name):
            return known[name]

    vars(module).update(
        is_available=lambda: True, is_initialized=lambda: True, is_gloo_available=lambda: True, get_world_size=lambda: 2,
        PrefixStore=Store, distributed_c10d=SimpleNamespace(_get_default_store=dict), group=SimpleNamespace(WORLD=object()),
        new_group=lambda **_: "a group",
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "torch.distributed", module)
    monkeypatch.setattr(agreement, "groups", [])


def test_where_every_rank_comes_they_have_a_group_of_their_own_once(monkeypatch):
    distributed(monkeypatch, come=1)
    assert [agreement._group(), agreement._group()] == ["a group"] * 2


def test_where_only_some_ranks_ask_each_stops_by_itself(monkeypatch, capsys):
    distributed(monkeypatch, come=0)
    assert agreement._group() is None
    assert "not every rank" in capsys.readouterr().err
