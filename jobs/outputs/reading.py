"""What is kept of jobs, for those who want to see or have it."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import QuerySet, Sum

from jobs.code import blobs
from jobs.models import Attempt, CodeBlob, Job, KeptFile, KeptOutputs
from scheduling.errors import NotFoundError

State = KeptOutputs.State


@dataclass(frozen=True, slots=True)
class Summary:
    """How it stands with what one attempt left; `attempt` None: no attempt has left anything yet."""

    attempt: int | None
    state: str
    files: int
    size: int
    left_out: int
    left_out_bytes: int
    message: str


def attempt_of(job: Job, number: int | None) -> Attempt | None:
    """The attempt of this number; else the last one that has left anything. Raises NotFoundError where there is no such attempt."""
    attempts = Attempt.objects.filter(job=job)
    if number is None:
        return attempts.filter(kept_outputs__isnull=False).order_by("-number").first()
    found = attempts.filter(number=number).first()
    if found is None:
        raise NotFoundError(f"Job {job.pk} has no attempt {number}.")
    return found


def summary(attempt: Attempt | None) -> Summary:
    """Of a gang, of all its members together: it is kept once all of them are."""
    rows = [] if attempt is None else list(KeptOutputs.objects.filter(attempt=attempt))
    if attempt is None or not rows:
        return Summary(attempt.number if attempt else None, "none", 0, 0, 0, 0, "")
    states = {row.state for row in rows}
    state = next(one for one in (State.COMING, State.LOST, State.KEPT, State.FORGOTTEN) if one in states)
    there = files_of(attempt).filter(state=KeptFile.State.KEPT).order_by()
    return Summary(
        attempt.number, state, there.count(), there.aggregate(all=Sum("size"))["all"] or 0,
        sum(row.left_out for row in rows), sum(row.left_out_bytes for row in rows),
        " ".join(filter(None, (row.message for row in rows))),
    )  # fmt: skip


def files_of(attempt: Attempt | None) -> QuerySet[KeptFile]:
    """Its files, in the order in which they came."""
    return KeptFile.objects.filter(outputs__attempt=attempt).order_by("pk") if attempt else KeptFile.objects.none()


def find_file(job: Job, attempt: Attempt | None, kind: str, path: str) -> KeptFile:
    """Raises NotFoundError with what there is instead."""
    rows = files_of(attempt).filter(kind=kind, path=path)
    found = rows.first()
    if found is None:
        raise NotFoundError(f"Job {job.pk} has no {kind} {path!r} that is kept.")
    if found.state == KeptFile.State.LINK:
        raise NotFoundError(f"{path!r} is a link to {found.link!r}: ask for that.")
    if found.state == KeptFile.State.LEFT_OUT:
        raise NotFoundError(f"{path!r} was not kept: {found.message}")
    return found


def content(file: KeptFile, start: int, size: int) -> Iterator[bytes]:
    """So many bytes of it, from `start` on, a piece at a time. Raises NotFoundError where a part is gone, and OSError."""
    found = CodeBlob.objects.select_related("pack").in_bulk(set(file.blobs))
    if len(found) < len(set(file.blobs)):
        raise NotFoundError(f"{file.path!r} is not whole any more.")
    return blobs.content([found[pk] for pk in file.blobs], start, size)
