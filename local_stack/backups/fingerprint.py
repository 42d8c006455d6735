"""What each table holds, in two figures: how many rows, and a checksum of them in whatever order they lie."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import psycopg
from psycopg import sql

TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
# A row's text depends on these; two servers may be set up in two ways.
PLAIN = "SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'iso_8601'; SET extra_float_digits = 3; SET bytea_output = 'hex'"


class TablePrint(NamedTuple):
    rows: int
    checksum: str


class Moment(NamedTuple):
    """One moment of a database: what it held, and the snapshot by which a dump shows the same."""

    snapshot: str
    tables: Mapping[str, TablePrint]


@contextmanager
def moment_of(url: str) -> Iterator[Moment]:
    """A moment of a database at work; its snapshot can be used for as long as this lasts."""
    with psycopg.connect(url) as connection:
        connection.execute(PLAIN)
        connection.commit()
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        snapshot = connection.execute("SELECT pg_export_snapshot()").fetchone()
        yield Moment(str(snapshot and snapshot[0]), _tables(connection))


def tables_of(url: str) -> Mapping[str, TablePrint]:
    with moment_of(url) as moment:
        return moment.tables


def differences(wanted: Mapping[str, TablePrint], found: Mapping[str, TablePrint]) -> list[str]:
    """In words, a line a table."""
    said = []
    for name in sorted(wanted.keys() | found.keys()):
        one, other = wanted.get(name), found.get(name)
        if one is None or other is None:
            said.append(f"{name}: only {'in the copy' if one is None else 'in the backup'}")
        elif one.rows != other.rows:
            said.append(f"{name}: {one.rows} rows in the backup, {other.rows} in the copy")
        elif one.checksum != other.checksum:
            said.append(f"{name}: {one.rows} rows in both, and they are not the same")
    return said


def _tables(connection: "psycopg.Connection[tuple[object, ...]]") -> dict[str, TablePrint]:
    return {str(name): _print(connection, str(name)) for (name,) in connection.execute(TABLES).fetchall()}


def _print(connection: "psycopg.Connection[tuple[object, ...]]", table: str) -> TablePrint:
    question = "SELECT count(*), coalesce(sum(hashtextextended(one::text, 0)::numeric), 0) FROM {} AS one"
    row = connection.execute(sql.SQL(question).format(sql.Identifier(table))).fetchone()
    assert row is not None  # noqa: S101  an aggregate answers always
    return TablePrint(int(str(row[0])), str(row[1]))
