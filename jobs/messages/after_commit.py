"""What is done once a transaction is committed: it can cost time, never the answer to who asked for the transaction."""

import logging
from collections.abc import Callable, Mapping

from django.db import transaction

from telemetry.subject import about, current

log = logging.getLogger(__name__)


def after_commit(step: Callable[[], object]) -> None:
    """Do `step` as soon as the current transaction is committed. Whatever it raises is logged and harms nobody.

    What was committed holds, and whoever is told that it failed would ask for it again.
    """
    at_work_on = current()  # whoever commits may be at work on more, or be done with it
    transaction.on_commit(lambda: _without_consequences(step, at_work_on))


def _without_consequences(step: Callable[[], object], at_work_on: Mapping[str, object]) -> None:
    try:
        with about(**at_work_on):
            step()
    except Exception:
        log.exception("What was to happen after a commit failed; what was committed holds.")
