"""That outputs will come is said together with the ends of their placements; the outputs themselves go their own way."""

from collections.abc import Collection
from pathlib import Path

from executors.run import outbox
from executors.run.placement_run import PlacementRun
from jobs.outputs import taking


def announce(runs: Collection[PlacementRun], node: Path) -> None:
    """Of those that left something on this node. Said before their ends: who starts next knows what to wait for."""
    taking.announce([run.placement_id for run in runs if outbox.holds(node, run.placement_id)])
