"""The database's clock."""

from datetime import datetime

from django.db import connection


def database_now() -> datetime:
    """The one clock by which leases and waits are measured."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now
