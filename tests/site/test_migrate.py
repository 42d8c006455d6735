"""`manage.py migrate` beside a platform that works; with a real one in tests/acceptance/test_last_release.py."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.commands import migrate as django_s
from django.db import OperationalError
from psycopg.errors import ConnectionTimeout, DeadlockDetected

from scheduler_site.management.commands import migrate


@pytest.fixture
def ends(monkeypatch):
    """How each try ends: by an error, or well where there is none left."""
    left: list[Exception] = []

    def handle(*_: object, **__: object) -> None:
        if left:
            raise OperationalError from left.pop(0)

    monkeypatch.setattr(django_s.Command, "handle", handle)
    monkeypatch.setattr(migrate, "PAUSE_SECONDS", 0)
    return left


def test_a_migration_that_met_a_deadlock_is_tried_again(ends):
    ends += [DeadlockDetected(), DeadlockDetected()]
    told = StringIO()
    call_command("migrate", stderr=told)
    assert told.getvalue().count("it is tried again") == 2
    assert ends == []


@pytest.mark.parametrize(("error", "left"), [(DeadlockDetected, 3), (ConnectionTimeout, 7)])
def test_not_for_ever_and_not_for_anything_else(ends, error, left):
    ends += [error() for _ in range(8)]
    with pytest.raises(OperationalError):
        call_command("migrate", stderr=StringIO())
    assert len(ends) == left
