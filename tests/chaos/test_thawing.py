"""A run that was frozen with its node may show one last sign of life when both go on, and not a second one."""

import pytest

from chaos.diaries import DiaryRun
from chaos.history import Attempted, Frozen, Placed, Recorded
from chaos.thawing import THAW_SECONDS, settled

FROZEN = Frozen("n1", 10.0, 20.0)


def jobs(node: str = "n1") -> dict[int, Recorded]:
    return {1: Recorded(1, "completed", attempts=[Attempted(1, "node_lost", 18.0, "", [Placed(node, 0, ())])])}


def last_of(run: DiaryRun, node: str = "n1") -> float:
    [seen] = settled([run], jobs(node), [FROZEN])
    return seen.last


@pytest.mark.parametrize("last", [20.0, 20.0 + THAW_SECONDS])
def test_a_run_that_ended_right_after_the_thaw_ended_when_it_froze(last):
    assert last_of(DiaryRun(1, 1, 0, 5.0, last)) == 10.0


@pytest.mark.parametrize(
    ("run", "node"),
    [
        (DiaryRun(1, 1, 0, 5.0, 20.1 + THAW_SECONDS), "n1"),  # it went on
        (DiaryRun(1, 1, 0, 5.0, 20.1), "n2"),  # another node was frozen
        (DiaryRun(1, 1, 0, 20.0, 20.5), "n1"),  # it began afterwards
        (DiaryRun(1, 1, 0, 5.0, 15.0), "n1"),  # the freeze was none for it
        (DiaryRun(1, 2, 0, 5.0, 20.1), "n1"),  # of an attempt that nobody knows of
        (DiaryRun(2, 1, 0, 5.0, 20.1), "n1"),  # of a job that nobody knows of
    ],
)
def test_every_other_run_is_as_its_diary_says(run, node):
    assert last_of(run, node) == run.last
