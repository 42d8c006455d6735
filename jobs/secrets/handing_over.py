"""Secrets for one placement: decrypted as its agent asks, between its claim and its start, and sealed for that agent.

No row, no message and no file holds them on the way.
"""

from secrets import compare_digest

from django.db import transaction
from django.db.models.functions import Now

from jobs.models import Job, Placement
from jobs.secrets import sealing
from quotas.models import Secret
from quotas.secrets import key_ring, nearest
from scheduling.errors import ConflictError, NotFoundError
from scheduling.lifecycle import PlacementState

NOBODY = (
    "There are no secrets for this placement and this token: none is handed out before its claim, nor after its start."
)


@transaction.atomic
def hand_over(placement_id: int, token: str, public_key: bytes) -> bytes:
    """The values, sealed for that key. Raises NotFoundError for who does not know the token, and once the command runs.

    Raises ConflictError, naming them, where secrets are not there any more; ValueError for what is no key.
    """
    rows = Placement.objects.filter(pk=placement_id, state=PlacementState.CLAIMED).select_related(
        "attempt__job__project"
    )
    placement = rows.first()
    known = str(placement.attempt.token) if placement is not None else ""
    if placement is None or not compare_digest(known.encode(), token.encode(errors="replace")):
        raise NotFoundError(NOBODY)
    return sealing.seal(_values(placement.attempt.job), public_key, placement_id)


def _values(job: Job) -> dict[str, str]:
    known = nearest.read(job.secrets)
    found = {name: known.find(job.project_id, job.owner_id, name) for name in job.secrets}
    rows = {row.pk: row for row in Secret.objects.filter(pk__in=[pk for pk in found.values() if pk is not None])}
    there = {name: rows[pk] for name, pk in found.items() if pk in rows}
    if missing := [name for name in job.secrets if name not in there]:
        raise ConflictError(nearest.sentence(job.project.slug, missing))
    values = {name: key_ring.decrypt(row.encrypted, name) for name, row in there.items()}
    Secret.objects.filter(pk__in=[row.pk for row in there.values()]).update(last_used_at=Now())
    return values
