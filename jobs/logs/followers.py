"""Who follows logs, and whether they still may: asked for all of a web process in one statement."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from django.db import connection

LOOK_SECONDS = 10.0
"""How often that is asked. Whoever is made inactive, or leaves the project, follows on for less than twice as long."""
STILL = """
    WITH RECURSIVE asked AS (
        SELECT * FROM unnest(%s::bigint[], %s::bigint[]) AS asked (user_id, project_id)
    ), above AS (
        SELECT project_id AS start, project_id AS id FROM asked
        UNION
        SELECT above.start, project.parent_id FROM above JOIN quotas_project AS project ON project.id = above.id
        WHERE project.parent_id IS NOT NULL
    )
    SELECT asked.user_id, asked.project_id FROM asked JOIN auth_user AS reader ON reader.id = asked.user_id
    WHERE reader.is_active AND (reader.is_staff OR EXISTS (
        SELECT FROM above JOIN quotas_membership AS member ON member.project_id = above.id
        WHERE above.start = asked.project_id AND member.user_id = asked.user_id
    ))
"""


class Reader:
    """One who follows; `welcome` until somebody finds that they may not any more."""

    ANYBODY: ClassVar["Reader"]

    def __init__(self, user_id: int = 0, project_id: int = 0) -> None:
        self.key = (user_id, project_id)
        self.welcome = True


Reader.ANYBODY = Reader()


class Readers:
    """Those of this process. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reading: set[Reader] = set()
        self._next_look = 0.0

    @contextmanager
    def admit(self, user_id: int | None, project_id: int) -> Iterator[Reader]:
        """Who may read the project's logs now; without a user it is one of ours, and always may."""
        if user_id is None:
            yield Reader.ANYBODY
            return
        reader = Reader(user_id, project_id)
        with self._lock:
            self._reading.add(reader)
        try:
            yield reader
        finally:
            with self._lock:
                self._reading.discard(reader)

    def refresh(self) -> None:
        """Find those who may not read any more; at most so often."""
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + LOOK_SECONDS
        with self._lock:
            reading = list(self._reading)
        if not reading:
            return
        asked = sorted({reader.key for reader in reading})
        with connection.cursor() as cursor:
            cursor.execute(STILL, [list(column) for column in zip(*asked, strict=True)])
            still = set(cursor.fetchall())
        for reader in reading:
            reader.welcome = reader.key in still
