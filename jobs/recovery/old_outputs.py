"""Forgets what attempts left: longer ago than their project keeps it, more than it keeps, or checkpoints after which there are newer ones.

Rows go here; what nobody needs of their content goes with `jobs.code.forgetting`. Safe to interrupt anywhere.
"""

from collections.abc import Collection
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now

from jobs.control.job_retention import output_rules
from jobs.models import KeptFile, KeptOutputs
from jobs.outputs import forgetting
from jobs.outputs.forgetting import AT_ONCE

State = KeptOutputs.State
NEVER_CAME = "Its node has not uploaded it in time."


def prune() -> int:
    """Forget what is old enough; returns of how many placements that was."""
    late = KeptOutputs.objects.filter(
        state=State.COMING, announced_at__lt=Now() - timedelta(days=settings.OUTPUT_UPLOAD_DAYS)
    )
    late.exclude(attempt__ended_at=None).update(state=State.LOST, message=NEVER_CAME)
    _forget_older_checkpoints()
    wanted = forgetting.wanted()
    count = 0
    for project, rule in output_rules().items():
        if rule.days is not None:
            while some := _forget(project, rule.days, wanted):
                count += some
    forgetting.keep_limits()
    return count


@transaction.atomic
def _forget(project: int, days: int, wanted: Collection[int]) -> int:
    cutoff = Now() - timedelta(days=days)
    unneeded = forgetting.unneeded([project], wanted)
    old = unneeded.filter(kept_at__lt=cutoff, attempt__job__finished_at__lt=cutoff)
    rows = old.order_by("pk").select_for_update(of=("self",), no_key=True, skip_locked=True)
    ids = list(rows.values_list("pk", flat=True)[:AT_ONCE])
    forgetting.forget(ids)
    return len(ids)


def _forget_older_checkpoints() -> None:
    """Only what a job would go on from is kept: the last of each member."""
    while some := list(_superseded().values_list("pk", flat=True)[:AT_ONCE]):
        KeptFile.objects.filter(outputs__in=some, kind=KeptFile.Kind.CHECKPOINT).delete()
        forgetting.resize(some)


def _superseded() -> QuerySet[KeptOutputs]:
    own = KeptFile.objects.filter(outputs=OuterRef("pk"), kind=KeptFile.Kind.CHECKPOINT)
    newer = KeptFile.objects.filter(
        kind=KeptFile.Kind.CHECKPOINT, state=KeptFile.State.KEPT, outputs__state=State.KEPT,
        outputs__rank=OuterRef("rank"), outputs__attempt__job=OuterRef("attempt__job"),
        outputs__attempt__number__gt=OuterRef("attempt__number"),
    )  # fmt: skip
    return KeptOutputs.objects.filter(Exists(own), Exists(newer), state=State.KEPT).order_by("pk")
