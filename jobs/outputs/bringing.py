"""What a placement is to begin with: the last checkpoint of its job that is kept, and the outputs of others that it names."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any

from django.db.models import Q

from jobs.code import blobs
from jobs.models import Attempt, CodeBlob, Job, KeptFile, KeptOutputs, Placement
from jobs.outputs.taking import same_token
from quotas.clock import database_now
from scheduling.errors import NotFoundError
from workers.models import Node

State = KeptOutputs.State
JUST_NOW = timedelta(minutes=1)
READY, COMING, MISSING = "ready", "coming", "missing"
LINKED = (KeptFile.State.KEPT, KeptFile.State.LINK)


def find(placement_id: int, token: str) -> Placement:
    """The open placement with this token. Raises NotFoundError."""
    rows = Placement.objects.filter(pk=placement_id, closed_at=None).select_related("attempt__job")
    placement = rows.first()
    if placement is None or not same_token(placement, token):
        raise NotFoundError("There is no open placement with this token.")
    return placement


def beginning(placement: Placement, *, only_kept: bool = False) -> dict[str, Any]:
    """What its agent is to lay out. `only_kept`: it has waited long enough for checkpoints that are still to come."""
    job = placement.attempt.job
    return {
        "checkpoint": _checkpoint(placement, only_kept=only_kept),
        "inputs": [_input(one) for one in job.inputs],
    }


def _earlier(placement: Placement) -> Iterator[KeptOutputs]:
    """What its member of earlier attempts has left, the newest first."""
    rows = KeptOutputs.objects.filter(
        attempt__job=placement.attempt.job_id, attempt__number__lt=placement.attempt.number, rank=placement.rank
    ).exclude(state__in=(State.LOST, State.FORGOTTEN))
    yield from rows.select_related("attempt", "placement__node").order_by("-attempt__number")


def _checkpoint(placement: Placement, *, only_kept: bool) -> dict[str, Any] | None:
    """`attempt` is the last one that left any: on whose node it lies, there it is newer than what is kept."""
    for kept in _earlier(placement):
        if kept.state == State.KEPT:
            files = KeptFile.objects.filter(outputs=kept, kind=KeptFile.Kind.CHECKPOINT, state__in=LINKED)
            if described := _described(files, ""):
                return {"attempt": kept.attempt.number, "state": READY, "files": described}
        elif not only_kept and _may_come(kept):
            return {"attempt": kept.attempt.number, "state": COMING, "files": []}
    return None


def _may_come(kept: KeptOutputs) -> bool:
    """Who is gone brings nothing, but who has just said goodbye may still be at it."""
    up = kept.placement.node.state != Node.State.DOWN
    return up or kept.announced_at > database_now() - JUST_NOW


def _input(wanted: dict[str, Any]) -> dict[str, Any]:
    said = {**wanted, "files": []}
    job = Job.objects.filter(pk=wanted["job"]).first()
    attempt = _last_that_left(job) if job else None
    if attempt is None:
        return {**said, "state": MISSING, "message": "it has left nothing that is kept"}
    states = set(KeptOutputs.objects.filter(attempt=attempt).values_list("state", flat=True))
    if State.COMING in states:
        return {**said, "state": COMING, "message": "its node has not uploaded it yet"}
    path = wanted["path"]
    named = Q(path=path) | Q(path__startswith=f"{path}/") if path else Q()
    files = KeptFile.objects.filter(named, outputs__attempt=attempt, kind=KeptFile.Kind.OUTPUT, state__in=LINKED)
    if not files.exists():
        return {**said, "state": MISSING, "message": "it has left nothing of that name that is kept"}
    return {**said, "state": READY, "message": "", "files": _described(files, path)}


def _last_that_left(job: Job) -> Attempt | None:
    return Attempt.objects.filter(job=job, kept_outputs__isnull=False).order_by("-number").first()


def _described(files: Iterable[KeptFile], top: str) -> list[list[Any]]:
    """Each as [path below `top`, size, when written, executable, parts, link]; of a file that is `top` itself, no path."""
    rows = list(files)
    ids = {pk for file in rows for pk in file.blobs}
    known = dict(CodeBlob.objects.filter(pk__in=ids).values_list("pk", "sha256"))
    return [
        [
            file.path[len(top) :].lstrip("/"), file.size, file.modified_ns, file.executable,
            [known.get(pk, "") for pk in file.blobs], file.link,
        ]
        for file in rows
    ]  # fmt: skip


def blobs_for(placement: Placement, wanted: Collection[str]) -> Sequence[CodeBlob]:
    """These blobs of what the placement may begin with. Raises NotFoundError where one is none of that."""
    jobs = [placement.attempt.job_id, *(one["job"] for one in placement.attempt.job.inputs)]
    candidates = {blob.pk: blob for blob in CodeBlob.objects.filter(sha256__in=wanted).select_related("pack")}
    files = KeptFile.objects.filter(outputs__attempt__job__in=jobs, blobs__overlap=list(candidates))
    allowed = {pk for ids in files.values_list("blobs", flat=True) for pk in ids} & candidates.keys()
    found = {candidates[pk].sha256: candidates[pk] for pk in sorted(allowed)}
    if len(found) < len(set(wanted)):
        raise NotFoundError("Some of these blobs are nothing that the placement begins with.")
    return sorted(found.values(), key=lambda blob: (blob.pack_id, blob.offset))


def stream(found: Sequence[CodeBlob]) -> Iterator[bytes]:
    """As code's blobs are sent."""
    return blobs.stream(found)
