"""The same asked of many jobs: a few statements for a thousand of them, and each has its own event and its own refusal."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from django.db import transaction

from jobs.control import granting
from jobs.control.verbs import ActionRequest, Decision, Verb
from jobs.models import Job
from quotas.deadlocks import again_after_deadlock

log = logging.getLogger(__name__)
AT_ONCE = 1_000
"""So many jobs are asked in one transaction: nobody has to wait long for one of them."""
TRIES = 4
AGAIN_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class BulkResult:
    """What became of it: of `matched` jobs some changed, for some it was under way already, some refused, and say why."""

    changed: Sequence[int] = ()
    newest: int | None = None
    unchanged: int = 0
    refusals: Mapping[int, str] = field(default_factory=dict)

    @property
    def matched(self) -> int:
        return len(self.changed) + self.unchanged + len(self.refusals)


def always() -> bool:
    return True


def grant(verb: Verb, job_ids: Sequence[int], asked: ActionRequest, still: Callable[[], bool] = always) -> BulkResult:
    """Ask it of all of them. What some of them refuse does not keep it from the others.

    `still` is asked first in each transaction; with its first no the rest is left as it is.
    """
    told: dict[int, Decision] = {}
    asked = replace(asked, among=frozenset(job_ids))
    for some in _in_batches(job_ids):
        answers = _grant_some(verb, some, asked, still)
        if answers is None:
            break
        told |= answers
    return _summed(job_ids, told)


def preview(verb: Verb, job_ids: Sequence[int], asked: ActionRequest) -> BulkResult:
    """What would become of it now; nothing is written, and nobody waited for."""
    told: dict[int, Decision] = {}
    asked = replace(asked, among=frozenset(job_ids))
    for some in _in_batches(job_ids):
        told |= granting.decisions(list(Job.objects.filter(pk__in=some).order_by("pk")), verb, asked)
    return _summed(job_ids, told)


def _in_batches(job_ids: Sequence[int]) -> Iterator[list[int]]:
    ordered = sorted(set(job_ids))
    for start in range(0, len(ordered), AT_ONCE):
        yield ordered[start : start + AT_ONCE]


def _grant_some(
    verb: Verb, job_ids: Sequence[int], asked: ActionRequest, still: Callable[[], bool]
) -> dict[int, Decision] | None:
    """Who was chosen to give way in a circle of locks asks again: of what it did nothing was written."""

    def once() -> dict[int, Decision] | None:
        with transaction.atomic():
            return None if not still() else granting.grant(job_ids, verb, asked)

    def told() -> None:
        log.info("Asking %d jobs met a circle of locks, and is tried again.", len(job_ids))

    return again_after_deadlock(once, told, tries=TRIES, pause=AGAIN_SECONDS)


def _summed(job_ids: Sequence[int], told: Mapping[int, Decision]) -> BulkResult:
    missing = {pk: f"There is no job {pk}." for pk in job_ids if pk not in told}
    return BulkResult(
        newest=max(job_ids, default=None),
        changed=[pk for pk, answer in told.items() if answer.changes],
        unchanged=sum(not answer.changes and not answer.refusal for answer in told.values()),
        refusals=missing | {pk: answer.refusal for pk, answer in told.items() if answer.refusal},
    )
