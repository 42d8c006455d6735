"""The examples in docs/budgets.md, line by line."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from scheduling.rules import Rules
from scheduling.sharing.budgets import Meter, too_large
from scheduling.snapshot import RunningJob
from tests.scheduling.builders import gpu_node, running, share
from tests.scheduling.planning.test_budgets import HOUR, NOON, budget, job, placed, world

PAGE = Path(__file__).parents[3] / "docs" / "budgets.md"
MORNING = NOON - 12 * HOUR
EXAMPLE = re.compile(
    r"\| (?P<amount>\d+) \| (?P<spent>\d+) \| (?:nothing|(?P<held>\d+) GPU, (?P<left>\d+)h left) "
    r"\| (?P<gpus>\d+) GPUs? for (?P<hours>\d+)h \| (?P<answer>yes|no|never)(?:: (?P<needed>\d+) needed, (?P<rest>\d+) left)?"
)
EXAMPLES = [found.groupdict() for found in EXAMPLE.finditer(PAGE.read_text())]


@pytest.mark.parametrize("of", EXAMPLES, ids=lambda of: "-".join(str(value) for value in of.values()))
def test_the_page_says_what_the_planner_does(of):
    one = job(1, int(of["gpus"]), int(of["hours"]))
    known = budget(int(of["amount"]), spent=int(of["spent"]), spent_since=MORNING)
    runs: tuple[RunningJob, ...] = ()
    if of["held"]:
        beside = running(900, share(gpu_indices=tuple(range(int(of["held"])))))
        runs = (replace(beside, started_at=MORNING, expected_end=MORNING + int(of["left"]) * HOUR),)
    snap = world(one, budgets=(known,), running=runs, nodes=(gpu_node(),), rules=Rules())
    assert placed(snap, MORNING) == ([1] if of["answer"] == "yes" else [])
    refused = too_large(Meter(snap), [known], one.request, MORNING, one.max_runtime_seconds)
    assert bool(refused) == (of["answer"] == "never")
    if of["needed"]:
        taken = int(of["spent"]) + int(of["held"] or 0) * int(of["left"] or 0)
        assert int(of["amount"]) - taken == int(of["rest"]) < int(of["needed"]) == int(of["gpus"]) * int(of["hours"])


def test_no_example_is_left_out():
    assert len(EXAMPLES) == 6
