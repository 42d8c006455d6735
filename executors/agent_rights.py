"""What an agent may do in the database: a role of its own, with the rights that its work needs and no others.

One role for all agents, or one for each node, which sees that node's jobs alone: `executors.node_rights`.

It reads and writes what runs and how; it cannot change the schema, and sees no password, no session and no token of
anybody's, of users their names alone. Rights are given by table, and anew with each migration.
"""

from collections.abc import Iterable

from django.apps import apps
from django.db import connection, transaction
from psycopg import sql

from executors import node_rights

READ, APPEND, WRITE = "SELECT", "SELECT, INSERT", "SELECT, INSERT, UPDATE, DELETE"
WRITABLE_APPS = frozenset({"jobs", "workers"})
READABLE_APPS = frozenset({"quotas"})
NOT_AN_AGENTS = frozenset(
    {
        "queue",
        "reservation",
        "reservednode",
        "cycle",
        "standingalert",
        "auditresult",
        "runtimelearning",
        "floorshadow",
        "floorshadowjob",
        "usagehour",
        "usagerollup",
        "jobcount",
        "jobcountprogress",
        "jobretention",
        "outputretention",
        "outputlimit",
        "forgottenjob",
        "idlegpurule",
        "idlegpustep",
        "cappedjob",
        "endedjobs",
        "daycost",
        "platformprotocol",
        "codesnapshot",
    }
)
"""Models of those apps that only the site writes."""
HIDDEN = frozenset(
    {
        "budgetwebhook",
        "budgetdelivery",
        "tokencaps",
        "jobtemplate",
        "jobschedule",
        "codeblob",
        "codepack",
        "keptfile",
        "secret",
        "agentrole",
    }
)
"""Models with secrets in them, or that are no agent's affair: it may not even read them."""
NAMES = {"auth_user": ("id", "username")}
"""Columns that it may read of tables that are otherwise closed: a bridge says whose a workload is."""
APPENDED = frozenset({"ledgertransaction", "ledgerentry", "keptoutputs"})
"""Models to which an agent adds rows, with the end of a placement, and changes none."""


def rights() -> dict[str, str]:
    """By table, what an agent may do with it."""
    tables = [model._meta for model in apps.get_models(include_auto_created=True)]  # noqa: SLF001  Django's own way
    return {
        one.db_table: _right(one.app_label, one.model_name or "")
        for one in tables
        if one.app_label in READABLE_APPS | WRITABLE_APPS and one.model_name not in HIDDEN
    }


def _right(app: str, model: str) -> str:
    if model in APPENDED:
        return APPEND
    return READ if app in READABLE_APPS or model in NOT_AN_AGENTS else WRITE


def grant(role: str, *, password: str = "", nodes: Iterable[str] = ()) -> list[str]:
    """Give the role these rights and take all others of ours from it; with a password, make it first if need be.

    With nodes it is the role of their agents alone, and stays that until it is said to be of others. Answers of which.
    Whatever is asked for, all roles of nodes have what they need after this.
    """
    bound = sorted(set(nodes)) or node_rights.nodes_of(role)
    if bound or node_rights.are_used():
        node_rights.enforce()
    with transaction.atomic():
        if password:
            _make(role, password)
        if bound:
            node_rights.bind(role, bound)
        else:
            _grant_all(role)
    return bound


def _grant_all(role: str) -> None:
    name = sql.Identifier(role)
    with connection.cursor() as cursor:
        # Taken first, so that a table which has left the list is closed again; in one transaction, so that agents at work
        # do not notice.
        cursor.execute(sql.SQL("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {}").format(name))
        cursor.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(name))  # not everybody's in each database
        for table, allowed in rights().items():
            statement = sql.SQL("GRANT {} ON {} TO {}").format(sql.SQL(allowed), sql.Identifier(table), name)
            cursor.execute(statement)
        for table, columns in NAMES.items():
            read = sql.SQL("GRANT SELECT ({}) ON {} TO {}")
            cursor.execute(read.format(sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(table), name))


def _make(role: str, password: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
        verb = "ALTER" if cursor.fetchone() else "CREATE"
        statement = sql.SQL(
            "{} ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD {}"
        )
        cursor.execute(statement.format(sql.SQL(verb), sql.Identifier(role), sql.Literal(password)))
