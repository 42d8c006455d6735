"""Taking in what attempts left: announced by their agents with their ends, uploaded and listed piece by piece, then closed.

Whoever knows the token of a placement may bring what that placement left, also after its end, until that is said to be
all. Everything may be said again: an agent that was restarted begins anew, and sends nothing that is here.
"""

import secrets
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import IO, Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q, Sum
from django.db.models.functions import Now

from jobs.code import blobs
from jobs.code.snapshots import TOUCHED_AFTER
from jobs.models import CodeBlob, KeptFile, KeptOutputs, Placement
from jobs.outputs import fitting, forgetting
from jobs.outputs.listed import Listed
from jobs.state import transitions
from scheduling.errors import FieldError, InvalidError, NotFoundError, UnavailableError

MOST_LEFT_OUT = 1000
"""So many files that were left out are named; the others are counted."""
MIB = 2**20
NOT_NOW = "The storage takes nothing at the moment; the node tries it again."
ANNOUNCE = """
    INSERT INTO jobs_keptoutputs (placement_id, attempt_id, rank)
    SELECT id, attempt_id, rank FROM jobs_placement WHERE id = ANY(%s) ON CONFLICT DO NOTHING
"""


def announce(placement_ids: Collection[int]) -> None:
    """By the agents of these placements, with their ends: what they left will come. Whoever starts next can wait for it."""
    if placement_ids:
        with connection.cursor() as cursor:
            cursor.execute(ANNOUNCE, [list(placement_ids)])


def limits(kept: KeptOutputs) -> dict[str, Any]:
    """The most that is kept of one attempt, and of what its project has room for, so that nobody uploads in vain."""
    room = fitting.room_of(kept)
    return {
        "output_bytes": int(settings.OUTPUT_MB * MIB),
        "checkpoint_bytes": int(settings.CHECKPOINT_MB * MIB),
        "files": settings.OUTPUT_FILES,
        "named_left_out": MOST_LEFT_OUT,
        "project_bytes": room and room.most,
        "project_words": room.words if room else "",
        "project_takes_checkpoints": not fitting.checkpoints_count(kept),
    }


def find(placement_id: int, token: str) -> KeptOutputs:
    """What the placement left, still to come. Raises NotFoundError where there is none, it is closed, or the token another."""
    recent = Q(closed_at=None) | Q(closed_at__gte=Now() - timedelta(days=settings.OUTPUT_UPLOAD_DAYS))
    placement = Placement.objects.filter(recent, pk=placement_id).select_related("attempt__job").first()
    if placement is None or not same_token(placement, token):
        raise NotFoundError("There is no placement with this token whose outputs are to come.")
    kept, _ = KeptOutputs.objects.get_or_create(
        placement=placement, defaults={"attempt": placement.attempt, "rank": placement.rank}
    )
    if kept.state != KeptOutputs.State.COMING:
        raise NotFoundError("All of what this placement left is said already.")
    kept.placement = placement
    return kept


def same_token(placement: Placement, token: str) -> bool:
    return secrets.compare_digest(str(placement.attempt.token).encode(), token.encode(errors="replace"))


def store(kept: KeptOutputs, body: IO[bytes]) -> int:
    """Take in blobs, all of a body or none; returns how many. Raises what `jobs.code.blobs.store` does."""
    try:
        stored = blobs.store_outputs(kept.placement.attempt.job.project_id, body)
    except UnavailableError:
        KeptOutputs.objects.filter(pk=kept.pk).update(message=NOT_NOW)
        raise
    KeptOutputs.objects.filter(pk=kept.pk, message=NOT_NOW).update(message="")
    return stored


def add_files(kept: KeptOutputs, files: Sequence[Listed], wanted: Collection[str]) -> list[str]:
    """Write these files down, if all that they hold is here; else none. Returns what is missing of that and of `wanted`."""
    project = kept.placement.attempt.job.project_id
    lengths = {part: length for file in files for part, length in file.lengths}
    asked = {*lengths, *wanted}
    rows = CodeBlob.objects.filter(project=project, sha256__in=asked)
    # Before they are counted, as code does it: whoever forgets blobs looks again at one that has been asked for.
    rows.filter(used_at__lt=Now() - TOUCHED_AFTER).update(used_at=Now())
    known = {sha256: (pk, size) for sha256, pk, size in rows.values_list("sha256", "pk", "size")}
    missing = [one for one in asked if one not in known]
    if missing or not files:
        return missing
    if any(known[part][1] != length for part, length in lengths.items()):
        raise InvalidError([FieldError("files", "A part of one is not as long as the file says.")])
    _write(kept, [_row(kept, file, [known[part][0] for part in file.parts]) for file in files])
    return []


def _row(kept: KeptOutputs, file: Listed, ids: list[int]) -> KeptFile:
    state = KeptFile.State.LEFT_OUT if file.left_out else KeptFile.State.LINK if file.link else KeptFile.State.KEPT
    return KeptFile(
        outputs=kept, kind=file.kind, path=_placed(kept, file), size=file.size, modified_ns=file.modified_ns,
        executable=file.executable, link=file.link, sha256=file.sha256, state=state, message=file.left_out[:200], blobs=ids,
    )  # fmt: skip


def _placed(kept: KeptOutputs, file: Listed) -> str:
    """Of a gang each member has its own outputs: nobody writes over another one's."""
    gang = kept.placement.attempt.job.nodes > 1 and file.kind == KeptFile.Kind.OUTPUT
    return f"rank-{kept.rank}/{file.path}" if gang else file.path


@transaction.atomic
def _write(kept: KeptOutputs, rows: list[KeptFile]) -> None:
    locked = KeptOutputs.objects.select_for_update(no_key=True).get(pk=kept.pk)
    if locked.state != KeptOutputs.State.COMING:
        raise NotFoundError("All of what this placement left is said already.")
    each = {(row.kind, row.path): row for row in rows}  # of names that are no text two may be written alike
    said_before = 0
    for kind in KeptFile.Kind.values:
        paths = [row.path for row in rows if row.kind == kind]
        said_before += KeptFile.objects.filter(outputs=kept, kind=kind, path__in=paths).delete()[0]
    if said_before:
        forgetting.resize([kept.pk])
    fitting.fit(kept, list(each.values()))
    KeptFile.objects.bulk_create(each.values(), batch_size=1000)
    forgetting.resize([kept.pk])
    _refuse_too_much(kept)


def _refuse_too_much(kept: KeptOutputs) -> None:
    most = {KeptFile.Kind.OUTPUT: settings.OUTPUT_MB, KeptFile.Kind.CHECKPOINT: settings.CHECKPOINT_MB}
    there = KeptFile.objects.filter(outputs=kept).exclude(state=KeptFile.State.LEFT_OUT).order_by()
    for kind, size in there.values_list("kind").annotate(size=Sum("size")):
        if size > most[KeptFile.Kind(kind)] * MIB:
            raise InvalidError(
                [FieldError("files", f"More than {most[KeptFile.Kind(kind)]:g} MB of {kind}s.", "too_large")]
            )
    if KeptFile.objects.filter(outputs=kept).count() > settings.OUTPUT_FILES + MOST_LEFT_OUT:
        raise InvalidError([FieldError("files", f"More than {settings.OUTPUT_FILES} files.", "too_many")])


@transaction.atomic
def complete(kept: KeptOutputs, *, left_out: int, left_out_bytes: int, message: str) -> None:
    """That was all; what could not be kept stands in the job's history, too."""
    refused, refused_bytes = fitting.refused(kept)
    left_out, left_out_bytes = left_out + refused, left_out_bytes + refused_bytes
    closed = KeptOutputs.objects.filter(pk=kept.pk, state=KeptOutputs.State.COMING).update(
        state=KeptOutputs.State.KEPT, kept_at=Now(), message=message[:500],
        left_out=left_out, left_out_bytes=left_out_bytes,
    )  # fmt: skip
    if closed and (left_out or message):
        words = f"Of what attempt {kept.placement.attempt.number} left {left_out} files with {left_out_bytes} bytes are not kept."
        said = " ".join(filter(None, (words if left_out else "", message, fitting.why_refused(kept))))
        transitions.note([kept.placement.attempt.job_id], "outputs_left_out", message=said[:2000])
