"""Processes that train together stop after the same step: else one waits for ever in a step that another never begins."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from typing import Any

ROUND_SECONDS = 0.05
"""Quick steps are not slowed down: the processes ask each other at most so often."""
MOST_STEPS = 1000
GATHER_SECONDS = 60
LOST_AFTER = timedelta(minutes=30)

groups: list[tuple[Any, Any]] = []
"""The group of `torch.distributed` for which there is one of ours, and ours: None where not all take part."""


class Agreement:
    """Between the processes of `torch.distributed`, over one loop; without any, of this process with itself.

    Each of them asks once a step. What one has been told all hear in the same step: the greatest of what they say is
    exchanged on the CPUs, by a group of its own, so that no GPU is waited for.
    """

    def __init__(self) -> None:
        self._group: Any = None
        self._joined = False
        self._every = self._left = 1
        self._since = time.monotonic()

    def stops(self, told: bool) -> bool:
        """Whether all stop before the next step."""
        if not self._joined:
            self._joined, self._group = True, _group()
        if self._group is None:
            return told
        self._left -= 1
        return self._left == 0 and self._ask(told, ended=False)

    def end(self, told: bool) -> None:
        """There are no more steps here: others that have some do not wait for us, and decide for themselves."""
        if self._group is not None:
            self._ask(told, ended=True)

    def _ask(self, told: bool, *, ended: bool) -> bool:
        seconds = (time.monotonic() - self._since) / self._every
        try:
            any_told, any_ended, slowest = _greatest([told, ended, seconds], self._group)
        except Exception:  # a process is lost: the training itself will say so
            any_told, any_ended, slowest = told, True, 0.0
        if any_ended:
            self._group = None
            return False
        self._every = self._left = _steps_until_next(slowest)
        self._since = time.monotonic()
        return bool(any_told)


def _steps_until_next(seconds: float) -> int:
    return min(max(1, int(ROUND_SECONDS / max(seconds, 1e-9))), MOST_STEPS)


def _greatest(values: list[float], group: Any) -> list[float]:
    torch = sys.modules["torch"]
    votes = torch.tensor(values, dtype=torch.float64, device="cpu")
    torch.distributed.all_reduce(votes, op=torch.distributed.ReduceOp.MAX, group=group)
    greatest: list[float] = votes.tolist()
    return greatest


def _group() -> Any:
    """Ours for the processes that train together now; None where this one trains alone."""
    distributed = sys.modules.get("torch.distributed")
    try:
        if distributed is None or not distributed.is_available() or not distributed.is_initialized():
            return None
        if distributed.get_world_size() == 1 or not distributed.is_gloo_available():
            return None
        world = distributed.group.WORLD
        if not groups or groups[0][0] is not world:
            groups[:] = [(world, _made(distributed))]
        return groups[0][1]
    except Exception as error:
        print(f"trainyard: every process will stop by itself: {error!r}", file=sys.stderr)
        return None


def _made(distributed: Any) -> Any:
    if not _all_are_here(distributed):
        print("trainyard: not every rank asks when to stop, so each will stop by itself.", file=sys.stderr)
        return None
    return distributed.new_group(backend="gloo", timeout=LOST_AFTER)


def _all_are_here(distributed: Any) -> bool:
    """Whether every rank has come to its loop. All get the same answer: the last one gives it, or the most impatient."""
    store = distributed.PrefixStore("trainyard", distributed.distributed_c10d._get_default_store())  # noqa: SLF001
    if store.add("ranks", 1) == distributed.get_world_size():
        store.compare_set("together", "", "yes")
    try:
        store.wait(["together"], timedelta(seconds=GATHER_SECONDS))
    except Exception:  # torch has had several kinds of error for this
        store.compare_set("together", "", "no")
    together: bytes = store.get("together")
    return together == b"yes"
