"""What a storm proves of the platform's books: nobody ever held or spent more than may be, and what is paid for is what ran.

Beside `chaos.checks`, and likewise: values in, sentences out. What a placement costs is worked out here by itself.
"""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from fractions import Fraction

from chaos.books import tree
from chaos.books.records import Booked, Books
from chaos.diaries import DiaryRun

CLOCK_SECONDS = 0.25
"""As in `chaos.checks`."""
MICRO = Decimal("0.000001")
CENT = Decimal("0.01")
GPUS, CPUS = 0, 1


def of_limits(books: Books) -> Iterator[str]:
    """At each moment at which something begins: each member within its own quota and what it may borrow, all within the parent's."""
    for booked, held in _moments(books):
        for resource, name in ((GPUS, "GPUs"), (CPUS, "CPUs")):
            for one in books.members:
                if held.get(one.slug, (0, 0))[resource] > one.most[resource]:
                    yield f"{one.slug} held {held[one.slug][resource]} {name} of {one.most[resource]} with job {booked.job_id}."
            together = sum(max(held.get(one.slug, (0, 0))[resource], one.kept[resource]) for one in books.members)
            if together > books.most[resource]:
                yield f"All held or kept {together} {name} of {books.most[resource]} with job {booked.job_id}: {held}."


def of_the_budget(books: Books) -> Iterator[str]:
    """With each start of a member with a hard budget: what was spent and what runs would use up to its limit is within it.

    Who was told to end before that does not run up to its limit any more: of it counts what it used.
    """
    own = [one for one in books.placements if one.project == tree.HARD]
    for first in _starts(own):
        spent = sum(_paid(one) for one in own if one.ended is not None and one.ended <= first.began)
        runs = [one for one in own if one.began <= first.began and (one.ended is None or one.ended > first.began)]
        committed = sum(_cost(one, _committed_seconds(one, first.began)) for one in runs)
        if spent + committed > books.hard:
            sentence = f"{float(spent):.4f} spent and {float(committed):.4f} committed of {books.hard}"
            yield f"{tree.HARD} started job {first.job_id} with {sentence}."


def of_the_ledger(books: Books) -> Iterator[str]:
    """Nothing is on hold any more, all accounts are nothing together, and each placement cost what its interval does."""
    if sum(books.accounts.values()):
        yield f"The accounts are {sum(books.accounts.values())} together."
    if books.accounts.get("hold"):
        yield f"{books.accounts['hold']} is on hold still."
    for one in books.placements:
        if one.ended is None or one.settled is None:
            yield f"Placement {one.placement} of job {one.job_id} was not settled."
        elif abs(_exact(one.settled) - _cost(one, _seconds(one))) > _exact(MICRO):
            yield f"Placement {one.placement} was settled at {one.settled}, and costs {float(_cost(one, _seconds(one))):.6f}."
        elif one.refunded is not None and one.refunded != one.settled:
            yield f"Placement {one.placement} cost {one.settled}, of which {one.refunded} was given back."
    paid = sum((one.settled or Decimal(0)) - (one.refunded or Decimal(0)) for one in books.placements)
    booked = books.accounts.get("revenue", Decimal(0)) + books.accounts.get("refund", Decimal(0))
    if abs(paid - booked) >= CENT:
        yield f"{paid} was settled and not given back, and the accounts say {booked}."


def of_the_diaries(books: Books, runs: Iterable[DiaryRun]) -> Iterator[str]:
    """Whatever ran by the jobs' own diaries was held for that long, and settled for that long at least."""
    known = {(one.job_id, one.attempt, one.rank): one for one in books.placements}
    for run in runs:
        booked = known.get((run.job_id, run.attempt, run.rank))
        if booked is None:
            yield f"Rank {run.rank} of attempt {run.attempt} of job {run.job_id} ran, and nothing was held for it."
        elif run.began < booked.began - CLOCK_SECONDS or (booked.ended or run.last) + CLOCK_SECONDS < run.last:
            spans = (
                f"{run.began:.2f} to {run.last:.2f}, and was held from {booked.began:.2f} to {booked.ended or 0:.2f}"
            )
            yield f"Attempt {run.attempt} of job {run.job_id} ran from {spans}."
        elif booked.settled is not None:
            least = _cost(booked, Fraction(max(run.last - run.began - 2 * CLOCK_SECONDS, 0)))
            if _exact(booked.settled) + _exact(MICRO) < least:
                yield f"Attempt {run.attempt} of job {run.job_id} cost {booked.settled}, and ran for {float(least):.6f}."


def wrong(books: Books, runs: Iterable[DiaryRun]) -> list[str]:
    """All of it, and what the platform's own audits found or had to mend."""
    found = [of_limits(books), of_the_budget(books), of_the_ledger(books), of_the_diaries(books, runs)]
    return [*books.audits, *(sentence for each in found for sentence in each)]


def _moments(books: Books) -> Iterator[tuple[Booked, dict[str, tuple[int, int]]]]:
    """What all members hold when a placement of one of them has just begun. What ends at the same moment is gone."""
    slugs = {one.slug for one in books.members}
    own = [one for one in books.placements if one.project in slugs]
    steps = sorted(
        [(one.began, 1, one) for one in own] + [(one.ended, 0, one) for one in own if one.ended is not None],
        key=lambda step: step[:2],
    )
    held: dict[str, tuple[int, int]] = {}
    for _, begins, one in steps:
        sign = 1 if begins else -1
        gpus, cpus = held.get(one.project, (0, 0))
        held[one.project] = (gpus + sign * one.gpus, cpus + sign * one.cpus)
        if begins:
            yield one, dict(held)


def _starts(own: Sequence[Booked]) -> Iterator[Booked]:
    """The last placement of each attempt: a gang starts as one."""
    last = {(one.job_id, one.attempt): one for one in sorted(own, key=lambda one: (one.began, one.placement))}
    yield from last.values()


def _committed_seconds(one: Booked, moment: float) -> Fraction:
    leaves = one.leaves_from is not None and one.leaves_from <= moment
    return _seconds(one) if leaves else Fraction(tree.RUN_LIMIT_SECONDS)


def _seconds(one: Booked) -> Fraction:
    return Fraction(round(((one.ended or one.began) - one.began) * 1_000_000), 1_000_000)


def _paid(one: Booked) -> Fraction:
    return _exact(one.settled or Decimal(0)) - _exact(one.refunded or Decimal(0))


def _cost(one: Booked, seconds: Fraction) -> Fraction:
    an_hour = one.gpus * _exact(tree.PRICES["gpu_model"]) + one.cpus * _exact(tree.PRICES["cpu"])
    return an_hour * seconds / tree.HOUR


def _exact(amount: Decimal) -> Fraction:
    return Fraction(amount)
