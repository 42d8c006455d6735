"""One autoscaler acts, the others wait: by a lock of the database's that ends with its connection."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

AUTOSCALER_LOCK = 0x7472_6173  # "tras"
TAKE = "SELECT pg_try_advisory_lock(%s)"


@contextmanager
def our_turn(pause: Callable[[], None]) -> Iterator[Callable[[], None]]:
    """Returns once we are the one; pauses between two tries.

    What it gives is to be called before each act: it raises a DatabaseError when the connection, and the turn with it, is lost.
    """
    own = connections["default"].copy()
    try:
        while not _take(own):
            pause()
        yield lambda: _look(own)
    finally:
        own.close()


def _take(own: BaseDatabaseWrapper) -> bool:
    with own.cursor() as cursor:
        cursor.execute(TAKE, [AUTOSCALER_LOCK])
        return bool(cursor.fetchone()[0])


def _look(own: BaseDatabaseWrapper) -> None:
    with own.cursor() as cursor:
        cursor.execute("SELECT 1")
