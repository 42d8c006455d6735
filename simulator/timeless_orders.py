"""The policies that counting can go by: those whose order changes only when a job that waits does, whatever the time."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from scheduling.nodes.profile import FOREVER
from scheduling.rules import Rules
from simulator.asked import priority_of
from simulator.cleaning import CleanJob
from simulator.counting.pool_job import Place

Order: TypeAlias = Callable[[CleanJob, float, float], Place]
"""The place of a job, by its expected run time and its limit. As `scheduling.policies` sorts, ties included."""


def _first_come(job: CleanJob, expected: float, limit: float) -> Place:  # noqa: ARG001 - an order like the others
    return (job.trace.submit_s, job.number)


def _shortest_first(job: CleanJob, expected: float, limit: float) -> Place:  # noqa: ARG001
    return (expected, job.trace.submit_s, job.number)


def _by_deadline(job: CleanJob, expected: float, limit: float) -> Place:  # noqa: ARG001
    deadline = job.trace.deadline_s
    return (FOREVER if deadline is None else deadline, -priority_of(job), job.trace.submit_s, job.number)


def _responsive(job: CleanJob, expected: float, limit: float) -> Place:
    return (expected * limit, -priority_of(job), job.trace.submit_s, job.number)


def _by_priority(job: CleanJob, expected: float, limit: float) -> Place:  # noqa: ARG001
    return (-priority_of(job), job.trace.submit_s, job.number)


ORDERS: Mapping[str, Order] = {
    "fifo": _first_come,
    "backfill": _first_come,
    "sjf": _shortest_first,
    "edf": _by_deadline,
    "responsive": _responsive,
    "priority": _by_priority,
}


def is_timeless(rules: Rules) -> bool:
    """Whether the order that the rules name is one of these."""
    ages = rules.policy == "priority" and rules.ageing_points_per_hour != 0
    return rules.policy in ORDERS and not ages
