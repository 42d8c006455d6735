"""The quota provider is read, and a cycle asked for where what it allows has changed."""

import threading

from jobs.messages import publishing
from quotas.models import NativeQuotaRow
from quotas.providers import syncing

_asking = threading.Lock()


def sync(project: str = "", *, patience: float = 0.0) -> bool:
    """Of one project, or of all. One at a time in a process: a provider that hangs holds up one thread, and no cycle.

    Whoever finds another at it waits for as long as that, and then goes with nothing done, which False says.
    """
    if not _asking.acquire(timeout=patience):
        return False
    try:
        before = _said()
        syncing.sync(project or None)
        if _said() != before:
            publishing.request_cycle()
    finally:
        _asking.release()
    return True


def _said() -> list[tuple[object, ...]]:
    return list(NativeQuotaRow.objects.order_by("pk").values_list("pk", "hard", "used", "fault"))
