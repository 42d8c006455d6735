"""What jobs have done since the beginning: counters and histograms that only grow."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from math import inf

from jobs.messages.routing import HARDWARE
from jobs.models import Cycle
from jobs.reports.metrics.families import Family, Prepared, counter, counters, histogram
from jobs.usage.counted_events import (
    ATTEMPTS,
    BUCKETS,
    CLAIM,
    CYCLE,
    DECISIONS,
    DURATION,
    ENDED,
    RETRIES,
    RUN,
    SUBMITTED,
    WAIT,
)
from jobs.usage.counted_preemptions import PREEMPTED, PREEMPTIONS
from jobs.usage.job_counts import Count, counts
from scheduling.failures.retry import RetryBudget, reasons_that
from scheduling.lifecycle import TERMINAL_STATES, EndReason
from scheduling.planning import rebalancing
from scheduling.planning.floor import turns
from scheduling.planning.stops import borrowers, victims

STRATEGIES = (*victims.STRATEGIES, borrowers.STRATEGY, turns.STRATEGY, rebalancing.STRATEGY)
CYCLES = Prepared(lambda: Cycle.objects.values_list("count", "total_ms"))
PLATFORM, OWNER = (reasons_that(payer=payer) for payer in (RetryBudget.PLATFORM, RetryBudget.OWNER))


def so_far() -> Iterator[Family]:
    """The cycle's row after the counts: it may be a cycle further than its buckets, never behind them."""
    known = defaultdict[str, list[Count]](list)
    for one in counts():
        known[one.series].append(one)
    yield from _counters({series: _by_label(found) for series, found in known.items()})
    yield from _preemptions(known)
    yield from _histograms(known)
    yield _cycles(known[CYCLE])


def _counters(known: Mapping[str, Mapping[str, int]]) -> Iterator[Family]:
    ended = known.get(ENDED, {})
    text = "Jobs that ended, by the state in which they did; one that was requeued ends again."
    rows = [(state, ended.get(state, 0)) for state in sorted(TERMINAL_STATES)]
    yield counters("jobs", text, ("state",), rows)
    submitted = known.get(SUBMITTED, {}).get("", 0)
    yield counter("submitted_jobs", "Jobs that were taken in.", submitted)
    attempts = known.get(ATTEMPTS, {})
    text = "Attempts that ended, by the reason and by whose fault that is."
    faults = [(reason, fault_of(reason), attempts.get(reason, 0)) for reason in EndReason]
    yield counters("attempts_ended", text, ("reason", "fault"), faults)
    retries = known.get(RETRIES, {})
    text = "Jobs that went back in line for another attempt, by whose tries it is one of."
    yield counters("retries", text, ("paid_by",), [(payer, retries.get(payer, 0)) for payer in RetryBudget])
    decided = known.get(DECISIONS, {})
    text = "What cycles decided: jobs that start, and attempts that are told to give way."
    made = [(decision, decided.get(decision, 0)) for decision in ("place", "preempt")]
    yield counters("plan_decisions", text, ("decision",), made)


def _preemptions(known: Mapping[str, list[Count]]) -> Iterator[Family]:
    found: dict[str, dict[str, int]] = {series: _by_label(known.get(series, [])) for series in (PREEMPTIONS, PREEMPTED)}
    strategies = sorted({*STRATEGIES, *found[PREEMPTIONS]})
    for name, text, series in (
        ("preemptions", "Attempts that were told to give way.", PREEMPTIONS),
        ("preempted", "Those of them that did, and did not complete.", PREEMPTED),
    ):
        rows = [(one, found[series].get(one, 0)) for one in strategies]
        yield counters(name, text, ("strategy",), rows)
    seconds = dict.fromkeys(strategies, 0.0)
    for one in known.get(PREEMPTED, []):
        seconds[one.label] += one.seconds
    text = "The work of these that is done again, as estimated."
    yield counters("preempted_work_seconds", text, ("strategy",), seconds.items())


def fault_of(reason: EndReason) -> str:
    """Whose it is: the platform's, the owner's, or none."""
    return "platform" if reason in PLATFORM else "owner" if reason in OWNER else "none"


def _histograms(known: Mapping[str, list[Count]]) -> Iterator[Family]:
    for series, name, text in (
        (WAIT, "job_wait_seconds", "From in line, and able to start, to running: of each attempt that began."),
        (RUN, "attempt_run_seconds", "From running to the end: of each attempt that began."),
        (DURATION, "job_duration_seconds", "From the submission to the end: of each job that ended."),
    ):
        each = {hardware: [one for one in known[series] if one.label == hardware] for hardware in HARDWARE}
        rows = [((hardware,), *_cumulative(series, found)) for hardware, found in each.items()]
        yield histogram(name, text, ("hardware",), rows)
    text = "From the message to a node to its claim, of each placement."
    yield histogram("publish_to_claim_seconds", text, (), [((), *_cumulative(CLAIM, known[CLAIM]))])


def _cycles(known: list[Count]) -> Family:
    [(count, total_ms)] = CYCLES.rows()
    *below, _ = _cumulative(CYCLE, known)[0]
    text = "Scheduling cycles, and how long they took."
    return histogram("cycle_seconds", text, (), [((), [*below, ("+Inf", float(count))], total_ms / 1000)])


def _cumulative(series: str, found: Iterable[Count]) -> tuple[list[tuple[str, float]], float]:
    """Each bucket with those below it. One that was counted in other buckets is in the next one that there is."""
    bounds, own, total = (*BUCKETS[series], inf), defaultdict[float, int](int), 0.0
    for one in found:
        own[min(bound for bound in bounds if bound >= one.at_most)] += one.number
        total += one.seconds
    sums = accumulate(own[bound] for bound in bounds)
    return [(_written(bound), float(number)) for bound, number in zip(bounds, sums, strict=True)], total


def _written(bound: float) -> str:
    return "+Inf" if bound == inf else str(float(bound))


def _by_label(found: Iterable[Count]) -> dict[str, int]:
    sums = defaultdict[str, int](int)
    for one in found:
        sums[one.label] += one.number
    return sums
