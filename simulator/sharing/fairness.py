"""How evenly projects and users got what they were entitled to in a replay: worked out hour by hour, as the platform does."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from scheduling.resources import Request
from scheduling.sharing.fair_tree import Account
from scheduling.sharing.fairness import Demand, Share, jain_index, shares
from scheduling.sharing.usage_decay import gpu_equivalents
from scheduling.snapshot import ProjectView
from simulator.outcome import JobOutcome, Outcome, Run

HOUR = 3_600.0
Hours = dict[int, dict[Account, Demand]]
Intervals = Iterable[tuple[float, float]]


class Fairness(NamedTuple):
    """Jain's index of what was received of what one was entitled to; None where nobody was entitled to anything."""

    by_project: float | None
    by_user: float | None


def fairness(
    outcome: Outcome, requests: Mapping[int, Request], projects: Mapping[int, str], tree: Sequence[ProjectView]
) -> Fairness:
    """From the first submission to the last: afterwards nobody can be late for anything."""
    until = max(job.job.trace.submit_s for job in outcome.jobs)
    received: defaultdict[str, Share] = defaultdict(Share)
    by_user = received.copy()
    for demands in _demands(outcome, requests, projects, until).values():
        for account, share in shares(tree, demands).items():
            received[account.project] += share
            by_user[account.owner] += share
    return Fairness(_jain(received.values()), _jain(by_user.values()))


def _jain(groups: Iterable[Share]) -> float | None:
    return jain_index(share.received / share.entitled for share in groups if share.entitled > 0)


def _demands(outcome: Outcome, requests: Mapping[int, Request], projects: Mapping[int, str], until: float) -> Hours:
    runs: defaultdict[int, list[Run]] = defaultdict(list)
    for run in outcome.runs:
        runs[run.number].append(run)
    hours: Hours = defaultdict(dict)
    for job in outcome.jobs:
        number, own = job.job.number, runs[job.job.number]
        account = Account(projects[number], job.job.trace.user)
        width = gpu_equivalents(requests[number].amount) * requests[number].nodes
        _add(hours, account, ((run.start, run.end) for run in own), until, Demand(received=width))
        _add(hours, account, _waits(job, own), until, Demand(waited=width))
    return hours


def _waits(job: JobOutcome, runs: Sequence[Run]) -> Iterator[tuple[float, float]]:
    """From its submission to its first start, and from each stop to the next one."""
    at = job.job.trace.submit_s
    for run in runs:
        yield at, run.start
        at = run.end


def _add(hours: Hours, account: Account, intervals: Intervals, until: float, each_second: Demand) -> None:
    for start, end in intervals:
        for hour, seconds in _by_hour(start, min(end, until)):
            known = hours[hour].get(account, Demand())
            hours[hour][account] = Demand(
                known.received + each_second.received * seconds, known.waited + each_second.waited * seconds
            )


def _by_hour(start: float, end: float) -> Iterator[tuple[int, float]]:
    while start < end:
        hour = int(start // HOUR)
        border = min(end, (hour + 1) * HOUR)
        yield hour, border - start
        start = border
