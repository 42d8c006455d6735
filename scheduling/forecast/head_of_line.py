"""Of all that wait those whose starts are worth foretelling: the head of the line, and who counts beside it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from heapq import heappop, heappush
from itertools import chain, islice
from typing import NamedTuple

from scheduling.planning.candidates import Eligibility
from scheduling.planning.dependencies import can_run
from scheduling.planning.eligibility import is_held
from scheduling.planning.ordering import order_pending
from scheduling.snapshot import RunningJob, Snapshot, WaitingJob


class HeadOfLine(NamedTuple):
    """Of a snapshot. `world` is it with the `head`, and with those that `never` start in it, but count.

    `possible` are all that could start as things are.
    """

    world: Snapshot
    head: frozenset[int]
    never: frozenset[int]
    possible: frozenset[int]


def head_of_line(snapshot: Snapshot, now: float, number: int) -> HeadOfLine:
    """The first `number` that may start now, and as many of those that wait for quotas, and for a time or for others."""
    line = order_pending(snapshot, now).jobs
    eligibility = Eligibility(snapshot, now)
    possible = can_run(line, [job.id for job in snapshot.running], eligibility.may_ever_start)
    head = _head([job for job in line if job.id in possible], snapshot.running, eligibility, now, number)
    never = _who_count(head, [job for job in line if job.id not in possible], number)
    return HeadOfLine(
        replace(snapshot, waiting=(*head, *never)),
        frozenset([job.id for job in head]),
        frozenset([job.id for job in never]),
        frozenset(possible),
    )


def _head(
    line: Iterable[WaitingJob], running: Iterable[RunningJob], eligibility: Eligibility, now: float, number: int
) -> tuple[WaitingJob, ...]:
    """The first that may start now, as many of those that quotas refuse, and of those that wait for a time or for others.

    Whoever waits for jobs that are not in the head is not in it either.
    """
    able: list[WaitingJob] = []
    refused: list[WaitingJob] = []
    later: list[WaitingJob] = []
    for job in line:
        if is_held(job, now):
            later.append(job)
        elif len(able) < number or len(refused) < number:
            if eligibility.refusing(job):
                refused.append(job)
            else:
                eligibility.admit(job)
                able.append(job)
    head = [*able[:number], *refused[:number]]
    there = {job.id for job in head} | {job.id for job in running}
    return (*head, *_whose_needs_are_there(later, there, number))


def _who_count(head: Sequence[WaitingJob], others: Sequence[WaitingJob], number: int) -> tuple[WaitingJob, ...]:
    """The first of those that do not start as things are, before them those that urge others.

    What is usual, which a strategy may go by, and whose share is whose depend on all that wait: without them the plans
    would place and order the others in another way than those to come.
    """
    urging = _who_urge(head, others, number)
    known = {job.id for job in urging}
    return tuple(islice(chain(urging, (job for job in others if job.id not in known)), number))


def _who_urge(head: Sequence[WaitingJob], others: Iterable[WaitingJob], number: int) -> tuple[WaitingJob, ...]:
    """Those that do not start as things are, and yet lend their priority and their queue to jobs that they wait for."""
    asking: dict[int, list[WaitingJob]] = {}
    for job in others:
        for needed in job.unmet if not (job.held or job.stopped or job.broken) else ():
            asking.setdefault(needed, []).append(job)
    found: dict[int, WaitingJob] = {}
    asked = [job.id for job in head]
    while asked and asking and len(found) < number:
        for job in asking.pop(asked.pop(), ()):
            found[job.id] = job
            asked.append(job.id)
    return tuple(found.values())


def _whose_needs_are_there(later: Sequence[WaitingJob], there: set[int], number: int) -> Iterator[WaitingJob]:
    """The first of them all of whose dependencies are there, or become so with others that are chosen."""
    missing = [set(job.unmet) - there for job in later]
    asking: dict[int, list[int]] = {}
    for place, needs in enumerate(missing):
        for needed in needs:
            asking.setdefault(needed, []).append(place)
    ready = [place for place, needs in enumerate(missing) if not needs]  # in order, and so a heap
    for _ in range(number):
        if not ready:
            return
        chosen = later[heappop(ready)]
        yield chosen
        for place in asking.get(chosen.id, ()):
            missing[place].discard(chosen.id)
            if not missing[place]:
                heappush(ready, place)
