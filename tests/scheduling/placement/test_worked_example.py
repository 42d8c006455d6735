"""The example in docs/placement.md, and its figures."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from scheduling.placement.weights import USUAL, weights_from
from scheduling.planning.places.ranking import ranking
from scheduling.planning.plan import make_plan
from scheduling.price_list import Price, Target
from scheduling.resources import Request
from scheduling.rules import Rules
from scheduling.snapshot import QueueView
from scheduling.speeds import Speeds
from tests.scheduling.builders import gpu_node, gpus, running, share, snapshot, waiting

NOW = datetime(2030, 1, 1, tzinfo=UTC).timestamp()
SINCE = datetime(2029, 1, 1, tzinfo=UTC)
GB = 1_024
PAGE = (Path(__file__).parents[3] / "docs" / "placement.md").read_text(encoding="utf-8")


def world(weights=None):
    speeds = Speeds()
    for _ in range(20):
        speeds.observe("train", "H100", 80 * 60)
        speeds.observe("train", "A100", 160 * 60)
    request = Request(cpus=8, memory_mb=64 * GB, gpus=4)
    job = waiting(1, request=request, kind="train", estimated_runtime_seconds=7_200)
    nodes = (
        replace(gpu_node("a1", gpus=gpus(8, model="A100")), failures=1),
        gpu_node("h1", gpus=gpus(8, model="H100")),
    )
    seen = snapshot(job, nodes=nodes, queues=(QueueView("default", placement_weights=weights),))
    prices = tuple(
        Price(Target.GPU_MODEL, Decimal(amount), SINCE, name=model)
        for model, amount in (("H100", "4"), ("A100", "1.5"))
    )
    held = (running(9, share("h1", cpus=0, gpu_indices=(4, 5, 6, 7))),)
    return replace(seen, running=held, prices=prices, speeds=speeds, rules=Rules(placement="weighted")), job


def told(weights=None):
    seen, job = world(weights)
    return ranking(seen, NOW, job, 5).decision.candidates


def row_of(one):
    """As a row of the table."""
    units = {"price": "{:.2f}", "speed": "{:.0f} min", "fit": "{:.3f}", "reliability": "{:.0f}"}
    cells = []
    for part in one.criteria:
        if part.name in units:
            value = part.value / 60 if part.name == "speed" else part.value
            cells.append(f"{units[part.name].format(value)}: {part.scaled:.3f} × {part.weight:g}")
    return f"| {one.node} | {' | '.join(cells)} | {one.score:.3f} |"


def test_the_page_has_the_figures_that_the_scores_are_made_of():
    assert [row_of(one) for one in told()] == [
        line for line in PAGE.splitlines() if line.startswith(("| h1 |", "| a1 |"))
    ]


def test_the_job_goes_where_the_page_says():
    cheap = weights_from({"price": 2, "speed": 0, "reliability": 0})

    assert [share.node for share in make_plan(world()[0], NOW).placements[0].shares] == ["h1"]
    assert [share.node for share in make_plan(world(cheap)[0], NOW).placements[0].shares] == ["a1"]
    best, other = (f"{one.score:.3f}" for one in told(cheap))
    assert f"it goes to `a1`, with {best} against {other}." in PAGE


def test_the_page_has_the_weights_that_are_usual():
    for name, weight in USUAL.items():
        (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |")]
        assert row.endswith(f"| {weight:g} |")
