"""What went wrong without stopping the platform: logged once, and kept on record for as long as it lasts."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db import DatabaseError, InterfaceError

from jobs.models import StandingAlert
from workers.models import Node

log = logging.getLogger(__name__)
_last: list[str] = []


def publish(alerts: Sequence[str]) -> list[str]:
    """The alerts of this cycle, as they go on record. Those that the cycle before did not have are logged."""
    for alert in alerts:
        if alert not in _last:
            log.error(alert)
    _last[:] = alerts
    return list(alerts)


def of_nodes() -> list[str]:
    """A sentence for each node under suspicion."""
    rows = Node.objects.exclude(suspicion="").order_by("name").values_list("name", "cordoned", "suspicion")
    return [f"Node {name} {'is drained' if cordoned else 'may be broken'}: {why}" for name, cordoned, why in rows]


def raise_(key: str, sentence: str) -> None:
    """From now on this is wrong, until `clear` is called with the same key."""
    StandingAlert.objects.update_or_create(key=key, defaults={"sentence": sentence[:1000]})


def clear(key: str) -> None:
    """It is well again, or always was."""
    StandingAlert.objects.filter(key=key).delete()


@contextmanager
def storage_failure(key: str, what: str) -> Iterator[None]:
    """What a storage raises inside is logged, and wrong until it goes well; `what` failed, as in "Old logs could not be deleted"."""
    try:
        yield
    except (DatabaseError, InterfaceError):
        raise
    except Exception as error:  # whatever a storage raises
        log.exception("%s.", what)
        raise_(key, f"{what} in the storage ({type(error).__name__}: {error}).")
    else:
        clear(key)


def active() -> list[str]:
    """What is wrong at the moment, beside what the last cycle told; what has lasted longest first."""
    return list(StandingAlert.objects.values_list("sentence", flat=True))
