"""A rehearsal: a running platform is backed up, restored beside itself, and the copy has to work."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

import environ
import psycopg
from django.core.checks import Tags
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Sum
from psycopg import sql

from jobs.costs.audit import audit
from jobs.models import Attempt, StoredLog
from jobs.planning.snapshot import take_snapshot
from local_stack.backups import fence, fingerprint, folder
from local_stack.servers import dumps
from local_stack.servers.errors import StackError
from quotas.models import LedgerEntry
from scheduling.planning.plan import make_plan

Say = Callable[[str], object]


@contextmanager
def scratch_database(url: str) -> Iterator[str]:
    """The URL of an empty database on the same server, gone afterwards; StackError where the role may make none."""
    name = f"trainyard_drill_{os.getpid()}"
    scratch = urlsplit(url)._replace(path=f"/{name}").geturl()
    try:
        with psycopg.connect(url, autocommit=True) as server:
            server.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
            try:
                yield scratch
            finally:
                server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
    except psycopg.errors.InsufficientPrivilege:
        raise StackError(
            "The database's role may make no database to rehearse in: name an empty one with --scratch URL."
        ) from None
    except psycopg.OperationalError as error:
        raise StackError(f"The database is out of reach: {str(error).strip()}") from None


def rehearse(url: str, backup: Path, scratch: str, say: Say) -> None:
    """Back up into a new folder, restore into `scratch`, and prove the copy; StackError says what does not hold."""
    if dumps.holds_work(scratch):
        raise StackError("The database to rehearse in is not empty: name another one.")
    began = time.monotonic()
    manifest = folder.write(url, backup)
    logs = f"{manifest.log_files} stored logs" if manifest.logs == "files" else "stored logs are in their bucket"
    say(f"backed up in {_since(began)}: {manifest.rows} rows in {len(manifest.tables)} tables, {logs}")
    began = time.monotonic()
    folder.read(backup)
    dumps.restore(scratch, backup / folder.DUMP)
    say(f"restored in {_since(began)}")
    if wrong := fingerprint.differences(manifest.tables, fingerprint.tables_of(scratch)):
        raise StackError(f"The copy is not what was backed up: {'; '.join(wrong[:5])}.")
    say("every table has the same rows and checksum")
    with psycopg.connect(scratch) as copy:
        copy.execute(fence.REMEMBER_IDS)
        copy.execute(fence.fence_sql())
    with looking_at(scratch):
        _prove(backup, manifest, say)


def _prove(backup: Path, manifest: folder.Manifest, say: Say) -> None:
    _check(say)
    _balance(say)
    if manifest.logs == "files":
        _find_logs(backup, say)
    began = time.monotonic()
    with transaction.atomic():
        snapshot = take_snapshot()
        plan = make_plan(snapshot, snapshot.taken_at)  # and it is not carried out
    open_attempts = Attempt.objects.filter(ended_at__isnull=True).count()
    say(
        f"a plan of the copy took {_since(began)}: {len(plan.placements)} jobs would start, {len(plan.waits)} would wait; "
        f"{open_attempts} attempts were open, and would be taken for lost after a restore"
    )


def _check(say: Say) -> None:
    """Bring the copy up to date, where the database is of a release before this one, and have Django's checks look at it."""
    began = time.monotonic()
    executor = MigrationExecutor(connection)
    lacking = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    call_command("migrate", verbosity=0, interactive=False)
    if lacking:
        say(f"{lacking} migrations of this release were carried out on the copy in {_since(began)}")
    try:
        call_command("check", databases=["default"], tags=[Tags.database], stdout=StringIO())
    except SystemCheckError as error:
        raise StackError(f"manage.py check on the copy: {error}") from None
    say("no migration is missing, check finds nothing wrong with the copy")


def _balance(say: Say) -> None:
    left = LedgerEntry.objects.aggregate(left=Sum("amount", default=0))["left"]
    found = audit()
    if left or found.drifts:
        raise StackError(
            f"The copy's ledger is out of balance by {left}, and drifts at {len(found.drifts)} placements: see manage.py audit_costs."
        )
    say(f"the ledger is in balance: {found.settlements} settlements worked out again")


def _find_logs(backup: Path, say: Say) -> None:
    names = list(StoredLog.objects.filter(stored_at__isnull=False).values_list("name", flat=True))
    lacking = [name for name in names if not (backup / folder.LOGS / name).is_file()]
    if lacking:
        raise StackError(f"{len(lacking)} of {len(names)} stored logs are not in the backup, such as {lacking[0]}.")
    say(f"all {len(names)} stored logs that the copy names are in the backup")


@contextmanager
def looking_at(url: str) -> Iterator[None]:
    """Django's connection leads to the database at `url`."""
    before = dict(connection.settings_dict)
    connection.close()
    connection.settings_dict.update(environ.Env.db_url_config(url))
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.update(before)


def _since(began: float) -> str:
    return f"{time.monotonic() - began:.1f} s"
