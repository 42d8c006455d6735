"""The first files that a job's last attempt has left, for its page; the links lead to REST, which streams them."""

from dataclasses import dataclass
from typing import Any

from api.v1.outputs.shapes import KeptFileOut
from jobs.models import Job
from jobs.outputs import reading
from jobs.outputs.reading import Summary

FILES_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Kept:
    """How it stands, and the first files."""

    summary: Summary
    files: list[dict[str, Any]]
    more: bool


def kept(job: Job) -> Kept | None:
    """None of a job that has left nothing."""
    attempt = reading.attempt_of(job, None)
    if attempt is None:
        return None
    some = list(reading.files_of(attempt)[: FILES_SHOWN + 1])
    context = {"job": job.pk, "attempt": attempt.number}
    files = KeptFileOut(some[:FILES_SHOWN], many=True, context=context).data
    return Kept(reading.summary(attempt), [dict(file) for file in files], len(some) > FILES_SHOWN)
