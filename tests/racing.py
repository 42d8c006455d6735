"""Two at once, on a connection each: the second really waits for what the first has locked, or the test fails."""

import threading
from collections.abc import Callable
from typing import Any

from django.db import connection, transaction
from django.db.models import Model

from scheduling.errors import ConflictError
from tests.waiting import wait_for

WAITS = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"


def race(
    first: Callable[[], object], second: Callable[[], object], *, meanwhile: Callable[[], object] = lambda: None
) -> Any:
    """What became of the second: its answer or its ConflictError. `meanwhile` comes while it waits, in the first's transaction."""
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(answer_of(second)))
    try:
        with transaction.atomic():
            first()
            thread.start()
            wait_for(somebody_waits, message="the second to wait for the first")
            meanwhile()
    finally:
        thread.join(20)
    return answers[0]


def beside(first: Callable[[], object], second: Callable[[], object]) -> Any:
    """What became of the second, which must not wait for the first: its answer or its ConflictError."""
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(answer_of(second)))
    try:
        with transaction.atomic():
            first()
            thread.start()
            wait_for(lambda: answers or somebody_waits(), message="the second's answer")
            assert answers, "it waits"
    finally:
        thread.join(20)
    return answers[0]


def hold(row: Model) -> Callable[[], object]:
    """Lock the row as whoever changes it does; refused at once where somebody else has it."""
    rows = type(row)._default_manager.select_for_update(no_key=True, nowait=True)
    return lambda: rows.get(pk=row.pk)


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(WAITS)
        return bool(cursor.fetchone()[0])


def answer_of(step: Callable[[], object]) -> object:
    try:
        return step()
    except ConflictError as refusal:
        return refusal
    finally:
        connection.close()
