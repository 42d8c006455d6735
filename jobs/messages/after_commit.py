"""What is done once a transaction is committed: it can cost time, never the answer to who asked for the transaction."""

import logging
from collections.abc import Callable

from django.db import transaction

log = logging.getLogger(__name__)


def after_commit(step: Callable[[], object]) -> None:
    """Do `step` as soon as the current transaction is committed. Whatever it raises is logged and harms nobody.

    What was committed holds, and whoever is told that it failed would ask for it again.
    """
    transaction.on_commit(lambda: _without_consequences(step))


def _without_consequences(step: Callable[[], object]) -> None:
    try:
        step()
    except Exception:
        log.exception("What was to happen after a commit failed; what was committed holds.")
