"""The examples on the page about costs come out as it says."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from scheduling.sharing.prices import Holding, Price, Target, cost, rounded
from tests.architecture import source

NOON = datetime(2030, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
CHANGE = NOON + 0.75 * HOUR
P5: dict[str, Any] = {"node": "n1", "node_type": "p5", "node_cpus": 96, "node_memory_mb": 1_048_576, "node_gpus": 8}


def price(target, amount, name="", *, since=NOON, until=None, capacity=""):
    return Price(Target(target), Decimal(amount), since, until, name, capacity)


PART = Holding(cpus=48, gpus={"NVIDIA H100": 2}, **P5)
BY_TYPE = price("node_type", "24.00", "p5")
EXAMPLES = {
    "parts": (
        Holding(cpus=16, memory_mb=128 * 1024, gpus={"NVIDIA H100": 2}),
        [price("gpu_model", "2.50", "H100"), price("cpu", "0.04"), price("memory_gb", "0.005")],
        1.5 * HOUR,
    ),
    "short": (Holding(cpus=1), [price("cpu", "0.04")], timedelta(seconds=1)),
    "part of a node": (PART, [BY_TYPE], 2 * HOUR),
    "its own node": (PART, [BY_TYPE, price("node", "20.00", "n1")], 2 * HOUR),
    "spot": (
        Holding(cpus=8, gpus={"NVIDIA H100": 8}, capacity="spot", **P5),
        [BY_TYPE, price("node_type", "8.00", "p5", capacity="spot")],
        HOUR,
    ),
    "a change": (Holding(cpus=4), [price("cpu", "0.04", until=CHANGE), price("cpu", "0.06", since=CHANGE)], HOUR),
    "a beginning": (Holding(cpus=4), [price("cpu", "0.06", since=CHANGE)], HOUR),
}


def told():
    """What the page says that each example costs."""
    page = (source.ROOT / "docs/costs.md").read_text(encoding="utf-8")
    table = page.partition("| example |")[2].partition("\n\n")[0]
    return {row[0]: Decimal(row[1]) for row in re.findall(r"^\| ([a-z ]+) \|.*\| ([0-9.]+) \|$", table, re.MULTILINE)}


def test_every_example_of_the_page_is_worked_out():
    assert told().keys() == EXAMPLES.keys()


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_costs_what_the_page_says(name):
    holding, prices, length = EXAMPLES[name]
    assert rounded(cost(holding, NOON, NOON + length, prices)) == told()[name]
