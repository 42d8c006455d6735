"""`manage.py migrate`: Django's own, which goes on where the running platform was in its way."""

from functools import partial
from typing import Any

from django.core.management.commands import migrate

from quotas.deadlocks import again_after_deadlock

TRIES = 5
PAUSE_SECONDS = 1.0


class Command(migrate.Command):
    """Under a platform that works, a migration may lock tables in another order than a statement that reads them.

    PostgreSQL then ends one of the two. A migration that was ended has changed nothing, and is tried again.
    """

    def handle(self, *args: Any, **options: Any) -> None:
        words = "A migration and the running platform waited for each other: it is tried again."
        migration = partial(super().handle, *args, **options)
        again_after_deadlock(migration, partial(self.stderr.write, words), tries=TRIES, pause=PAUSE_SECONDS)
