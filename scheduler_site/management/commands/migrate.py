"""`manage.py migrate`: Django's own, which goes on where the running platform was in its way."""

import time
from typing import Any

from django.core.management.commands import migrate
from django.db import OperationalError
from psycopg.errors import DeadlockDetected

TRIES = 5
PAUSE_SECONDS = 1.0


class Command(migrate.Command):
    """Under a platform that works, a migration may lock tables in another order than a statement that reads them.

    PostgreSQL then ends one of the two. A migration that was ended has changed nothing, and is tried again.
    """

    def handle(self, *args: Any, **options: Any) -> None:
        for left in reversed(range(TRIES)):
            try:
                super().handle(*args, **options)
            except OperationalError as error:
                if not (left and isinstance(error.__cause__, DeadlockDetected)):
                    raise
                self.stderr.write("A migration and the running platform waited for each other: it is tried again.")
                time.sleep(PAUSE_SECONDS)
            else:
                return
