"""The quota provider is read, and asked again for a cycle where what it allows has changed."""

from jobs.messages import publishing
from quotas.models import NativeQuotaRow
from quotas.providers import syncing


def sync(project: str = "") -> str:
    """Of one project, or of all; returns why that did not work, or nothing."""
    before = _said()
    fault = syncing.sync(project or None)
    if _said() != before:
        publishing.request_cycle()
    return fault


def _said() -> list[tuple[object, ...]]:
    return list(NativeQuotaRow.objects.order_by("pk").values_list("pk", "hard", "used", "fault"))
