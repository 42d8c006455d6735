"""Agents have a database role of their own: enough for their work, and nothing else."""

from datetime import timedelta

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from psycopg import sql

from executors import agent_rights
from jobs.attempts.completion import finish
from jobs.costs import settlement
from jobs.models import Placement
from jobs.state.outcome import PlacementOutcome, PlacementRef
from quotas.models import LedgerTransaction, Price
from scheduling.lifecycle import EndReason
from tests import builders
from tests.acceptance.platform import database_address

ROLE = "agent_of_the_tests"


@pytest.fixture
def agent(transactional_db: None):
    """A connection as an agent has it."""
    agent_rights.grant(ROLE, password="secret")
    address = psycopg.conninfo.make_conninfo(database_address(), user=ROLE, password="secret")
    with psycopg.connect(address, autocommit=True) as connected:
        yield connected
    with connection.cursor() as cursor:
        cursor.execute(f"DROP OWNED BY {ROLE}; DROP ROLE {ROLE}")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM auth_user",
        "SELECT * FROM knox_authtoken",
        "SELECT * FROM django_session",
        "UPDATE quotas_quota SET gpus = 1000",
        "SELECT * FROM quotas_budgetwebhook",
        "INSERT INTO quotas_price (per_hour) VALUES (0)",
        "UPDATE quotas_ledgertransaction SET cost = 0",
        "DELETE FROM quotas_ledgerentry",
        "TRUNCATE quotas_ledgerentry",
        "UPDATE quotas_jobmonth SET settled = 0",
        "INSERT INTO jobs_queue (name) VALUES ('mine')",
        "INSERT INTO jobs_forgottenjob (job, ended_at) VALUES (1, now())",
        "CREATE TABLE mine (id int)",
        "DROP TABLE jobs_job",
        "CREATE ROLE another SUPERUSER",
        "COPY jobs_job TO PROGRAM 'cat'",
        "SELECT pg_read_file('/etc/passwd')",
    ],
)
def test_what_an_agent_does_not_need_is_denied(agent: psycopg.Connection, statement: str):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        agent.execute(statement)


def test_every_table_of_what_runs_is_an_agents_to_read(agent: psycopg.Connection):
    for table in agent_rights.rights():
        agent.execute(sql.SQL("SELECT 1 FROM {} LIMIT 1").format(sql.Identifier(table)))


@pytest.mark.parametrize("begins", ["before", "after"])
def test_an_agent_settles_what_ends_whether_it_began_before_there_were_prices_or_not(
    agent: psycopg.Connection, begins: str
):
    job = builders.running_job(cpus=4)
    builders.event(job=job, kind="submitted", actor="ada")
    row = Placement.objects.select_related("attempt").get()
    now = timezone.now()
    Price.objects.create(target="cpu", per_hour=3600, currency="EUR", valid_from=now - timedelta(hours=1))
    if begins == "after":
        settlement.hold([row.pk])
    with connection.cursor() as cursor:
        cursor.execute(f"SET ROLE {ROLE}")
        try:
            finish([PlacementOutcome(PlacementRef(row.pk, str(row.attempt.token)), EndReason.NODE_LOST)])
        finally:
            cursor.execute("RESET ROLE")
    kinds = [one.kind for one in LedgerTransaction.objects.exclude(kind="hold")]
    assert kinds == ["settle", "refund"]
    assert LedgerTransaction.objects.filter(user_name="ada").exists() is (begins == "before")


@pytest.mark.django_db(transaction=True)
def test_the_command_makes_the_role_and_changes_its_password(settings):
    for password in ("first:/@#", "second"):
        settings.AGENT_DATABASE_PASSWORD = password
        call_command("agent_rights", ROLE)
        address = psycopg.conninfo.make_conninfo(database_address(), user=ROLE, password=password)
        with psycopg.connect(address) as connected:
            connected.execute("SELECT 1 FROM jobs_job")
    with connection.cursor() as cursor:
        cursor.execute(f"DROP OWNED BY {ROLE}; DROP ROLE {ROLE}")


@pytest.mark.django_db
def test_a_role_that_is_not_there_is_named():
    with pytest.raises(CommandError, match="nobody_of_the_tests"):
        call_command("agent_rights", "nobody_of_the_tests")
