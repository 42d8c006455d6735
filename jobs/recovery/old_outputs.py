"""Forgets what attempts left: longer ago than their project keeps it, or checkpoints after which there are newer ones.

Rows go here; what nobody needs of their content goes with `jobs.code.forgetting`. Safe to interrupt anywhere.
"""

from collections.abc import Collection
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now

from jobs.control.job_retention import output_rules
from jobs.models import Job, KeptFile, KeptOutputs
from scheduling.lifecycle import TERMINAL_STATES

State = KeptOutputs.State
AT_ONCE = 200
NEVER_CAME = "Its node has not uploaded it in time."


def prune() -> int:
    """Forget what is old enough; returns of how many placements that was."""
    late = KeptOutputs.objects.filter(
        state=State.COMING, announced_at__lt=Now() - timedelta(days=settings.OUTPUT_UPLOAD_DAYS)
    )
    late.exclude(attempt__ended_at=None).update(state=State.LOST, message=NEVER_CAME)
    _forget_older_checkpoints()
    wanted = _wanted()
    count = 0
    for project, rule in output_rules().items():
        if rule.days is not None:
            while some := _forget(project, rule.days, wanted):
                count += some
    return count


def _wanted() -> set[int]:
    """Whose outputs a job is still to begin with."""
    rows = Job.objects.exclude(state__in=TERMINAL_STATES).exclude(inputs=[]).values_list("inputs", flat=True)
    return {one["job"] for inputs in rows for one in inputs}


@transaction.atomic
def _forget(project: int, days: int, wanted: Collection[int]) -> int:
    """Of jobs that are over, and not marked to be kept."""
    cutoff = Now() - timedelta(days=days)
    old = KeptOutputs.objects.filter(
        state=State.KEPT, kept_at__lt=cutoff, attempt__job__project=project, attempt__job__keep_outputs=False,
        attempt__job__state__in=TERMINAL_STATES, attempt__job__finished_at__lt=cutoff,
    ).exclude(attempt__job__in=wanted)  # fmt: skip
    rows = old.order_by("pk").select_for_update(of=("self",), no_key=True, skip_locked=True)
    ids = list(rows.values_list("pk", flat=True)[:AT_ONCE])
    KeptFile.objects.filter(outputs__in=ids).delete()
    KeptOutputs.objects.filter(pk__in=ids).update(state=State.FORGOTTEN)
    return len(ids)


def _forget_older_checkpoints() -> None:
    """Only what a job would go on from is kept: the last of each member."""
    while some := list(_superseded().values_list("pk", flat=True)[:AT_ONCE]):
        KeptFile.objects.filter(outputs__in=some, kind=KeptFile.Kind.CHECKPOINT).delete()


def _superseded() -> QuerySet[KeptOutputs]:
    own = KeptFile.objects.filter(outputs=OuterRef("pk"), kind=KeptFile.Kind.CHECKPOINT)
    newer = KeptFile.objects.filter(
        kind=KeptFile.Kind.CHECKPOINT, state=KeptFile.State.KEPT, outputs__state=State.KEPT,
        outputs__rank=OuterRef("rank"), outputs__attempt__job=OuterRef("attempt__job"),
        outputs__attempt__number__gt=OuterRef("attempt__number"),
    )  # fmt: skip
    return KeptOutputs.objects.filter(Exists(own), Exists(newer), state=State.KEPT).order_by("pk")
