"""What the provider says, on record: read for all projects at once by beat, for one when somebody asks or has set its quota."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from quotas.clock import database_now
from quotas.models import Project
from quotas.providers.base import ProviderError, Standing
from quotas.providers.chosen import is_local, provider
from quotas.providers.rows import NativeQuotaRow

log = logging.getLogger(__name__)
SAID = ["provider", "holder", "hard", "used"]


def sync(project: str | None = None) -> str:
    """Read what the provider says of the project, or of all, and keep it; returns why that did not work, or nothing."""
    if is_local():
        return ""
    began = database_now()  # by the clock of all that it is compared with
    try:
        standings = provider().sync(project)
    except ProviderError as error:
        _keep_fault(str(error), project)
        log.warning("The quota provider %s: %s", settings.QUOTA_PROVIDER, error)
        return str(error)
    _keep(standings, began)
    return ""


def is_away(row: NativeQuotaRow | None, now: datetime) -> bool:
    """Whether nobody can know what the provider would say of the project now."""
    if row is None or row.synced_at is None or row.provider != settings.QUOTA_PROVIDER:
        return True
    return now - row.synced_at > timedelta(seconds=settings.QUOTA_PROVIDER_AWAY_SECONDS)


@transaction.atomic
def _keep(standings: Mapping[str, Standing], began: datetime) -> None:
    """What was asked for before what is on record already is older than that."""
    rows, changed, same = _rows(list(standings)), list[NativeQuotaRow](), list[NativeQuotaRow]()
    for slug, said in standings.items():
        row = rows.get(slug)
        if row is not None and said.fault:
            NativeQuotaRow.objects.filter(pk=row.pk).update(fault=said.fault[:500])
            continue
        if row is None or (row.synced_at is not None and row.synced_at >= began):
            continue
        before = [getattr(row, name) for name in SAID]
        row.provider, row.holder = settings.QUOTA_PROVIDER, said.holder[:300]
        row.hard, row.used = _stored(said.hard._asdict()), _stored(said.used._asdict())
        (same if before == [getattr(row, name) for name in SAID] else changed).append(row)
    NativeQuotaRow.objects.bulk_update(changed, SAID)
    NativeQuotaRow.objects.filter(pk__in=[row.pk for row in (*changed, *same)]).update(synced_at=began, fault="")


@transaction.atomic
def _keep_fault(fault: str, project: str | None) -> None:
    slugs = [project] if project else list(Project.objects.values_list("slug", flat=True))
    _rows(slugs)
    NativeQuotaRow.objects.filter(project__slug__in=slugs).update(fault=fault[:500])


def _rows(slugs: Sequence[str]) -> dict[str, NativeQuotaRow]:
    """One for each of these projects, made where there is none."""
    missing = Project.objects.filter(slug__in=slugs, native_quota__isnull=True)
    made = [NativeQuotaRow(project=one, provider=settings.QUOTA_PROVIDER) for one in missing]
    NativeQuotaRow.objects.bulk_create(made, ignore_conflicts=True)
    known = NativeQuotaRow.objects.filter(project__slug__in=slugs).select_related("project").order_by("pk")
    return {row.project.slug: row for row in known.select_for_update(of=("self",))}


def _stored(amounts: Mapping[str, int | None]) -> dict[str, int]:
    return {name: amount for name, amount in amounts.items() if amount is not None}
