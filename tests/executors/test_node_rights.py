"""A node's agent may have a database role of its own: enough for its node's work, and nothing of others'."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection
from psycopg import sql

from executors import agent_rights, node_rights
from executors.upload import events, logs, series
from jobs.attempts import claims
from jobs.attempts.completion import finish
from jobs.control import forgotten_jobs
from jobs.models import ForgottenJob, GpuHold, Job, JobEvent, JobSession, KeptOutputs, Placement, UsageTally
from jobs.outputs import taking
from jobs.sessions import ending
from jobs.sessions.ending import Ended
from jobs.state.outcome import PlacementOutcome, PlacementRef
from quotas.models import LedgerTransaction, Price
from scheduling.lifecycle import EndReason
from tests import builders
from tests.acceptance.platform import database_address
from workers.models import AgentRole

ADD_EVENT = "INSERT INTO jobs_jobevent (job_id, kind, from_state, to_state, actor, message, data) VALUES (%s, 'note', '', '', '', '', '{}')"
OF_NODE, OF_ALL, READER = "agent_of_n1_of_the_tests", "agent_of_all_of_the_tests", "reader_of_the_tests"


@pytest.fixture(autouse=True)
def roles(transactional_db: None) -> Iterator[None]:
    """Gone when the test is over."""
    yield
    with connection.cursor() as cursor:
        for role in (OF_NODE, OF_ALL, READER):
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
            if cursor.fetchone():
                cursor.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


def connected(role: str) -> psycopg.Connection:
    address = psycopg.conninfo.make_conninfo(database_address(), user=role, password="secret")
    return psycopg.connect(address, autocommit=True)


def rows(role: str, query: str, *values) -> list[tuple[Any, ...]]:
    with connected(role) as agent:
        return agent.execute(query, values).fetchall()


@pytest.fixture
def command(settings):
    settings.AGENT_DATABASE_PASSWORD = "secret"
    return lambda *words: call_command("agent_rights", *words)


def test_the_command_makes_a_role_for_the_nodes_that_it_names(command):
    node, other = builders.node(name="n1"), builders.node(name="n3")
    for one in (node, other):
        builders.running_job(node=one, env={"ON": one.name})

    command(OF_NODE, "--node", "n1", "--node", "n2")

    assert rows(OF_NODE, "SELECT env ->> 'ON' FROM jobs_job") == [("n1",)]
    assert rows(OF_NODE, "SELECT name FROM workers_node") == [("n1",)]
    builders.running_job(node=builders.node(name="n2"), env={"ON": "n2"})
    assert rows(OF_NODE, "SELECT env ->> 'ON' FROM jobs_job ORDER BY 1") == [("n1",), ("n2",)]


def test_it_refuses_what_is_no_name_of_a_node(command):
    with pytest.raises(CommandError, match="letters, digits and dashes"):
        command(OF_NODE, "--node", "gpu_*")
    assert not AgentRole.objects.exists()


def test_it_refuses_roles_to_which_no_policy_applies(command, settings):
    settings.AGENT_DATABASE_PASSWORD = ""
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {OF_NODE} LOGIN BYPASSRLS")
    for role in (OF_NODE, connection.settings_dict["USER"]):
        with pytest.raises(CommandError, match="nothing would bind it"):
            command(role, "--node", "n1")


def test_a_nodes_role_stays_that_when_the_command_comes_again_without_its_node(command):
    """As after each migration: whoever forgot the option would else open everything."""
    builders.running_job(node=builders.node(name="n3"))
    command(OF_NODE, "--node", "n1")

    command(OF_NODE)

    assert rows(OF_NODE, "SELECT id FROM jobs_job") == []
    assert AgentRole.objects.get().node == "n1"


def test_a_role_that_was_all_agents_has_no_more_than_its_node_afterwards(command):
    builders.running_job(node=builders.node(name="n3"))
    command(OF_NODE)
    assert len(rows(OF_NODE, "SELECT id FROM jobs_job")) == 1

    command(OF_NODE, "--node", "n1")

    assert rows(OF_NODE, "SELECT id FROM jobs_job") == []
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        rows(OF_NODE, "SELECT id FROM jobs_queue")


def test_roles_of_nodes_change_nothing_for_others(command):
    """Neither for the agents of all nodes nor for somebody's role that reads reports."""
    job = builders.running_job()
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {READER} LOGIN PASSWORD 'secret'; GRANT SELECT ON jobs_job TO {READER}")
    command(OF_NODE, "--node", "n1")
    command(OF_ALL)

    assert rows(READER, "SELECT id FROM jobs_job") == [(job.pk,)]
    with connected(OF_ALL) as agent:
        assert agent.execute("UPDATE jobs_job SET priority = 7").rowcount == 1


def test_without_a_nodes_role_there_are_no_policies(command):
    """Nobody pays for what nobody uses."""
    with connection.cursor() as cursor:
        for table in node_rights.RULES:
            cursor.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    command(OF_ALL)
    assert with_policies() == set()


def with_policies() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relrowsecurity")
        return {name for (name,) in cursor.fetchall()}


def test_the_command_for_all_agents_brings_nodes_roles_up_to_date(command):
    """After an upgrade it is enough to run it once, for whichever role."""
    builders.running_job(node=builders.node(name="n3"))
    command(OF_NODE, "--node", "n1")
    with connection.cursor() as cursor:
        cursor.execute(f"REVOKE ALL ON jobs_job FROM {node_rights.GROUP}")
        cursor.execute("ALTER TABLE jobs_job DISABLE ROW LEVEL SECURITY; DROP POLICY node_sees ON jobs_attempt")

    command(OF_ALL)

    assert rows(OF_NODE, "SELECT id FROM jobs_job") == []
    assert rows(OF_NODE, "SELECT id FROM jobs_attempt") == []


def test_policies_that_are_as_they_should_be_are_left_alone(command):
    """Each change of one waits for all who use the table, and all others wait for it."""
    command(OF_NODE, "--node", "n1")
    before = identities()
    command(OF_NODE, "--node", "n1")
    assert identities() == before


def identities() -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT oid FROM pg_policy ORDER BY oid")
        return cursor.fetchall()


def test_every_rule_names_a_table_of_ours_and_columns_that_are_there():
    fields = {
        model._meta.db_table: {one.column for one in model._meta.local_concrete_fields} for model in apps.get_models()
    }
    for table, rule in node_rights.RULES.items():
        assert {*rule.reads, *rule.changes} - {"*"} <= fields[table], table
        assert table in {*agent_rights.rights(), *agent_rights.NAMES, "jobs_forgottenjob"}, (
            "no more than all agents may"
        )


def test_no_column_by_which_rows_are_told_apart_may_be_changed():
    """Else a row could be made another job's or another node's; how far a placement has come says nothing of whose it is."""
    for table, rule in node_rights.RULES.items():
        named = {column for column in rule.changes if re.search(rf"\b{column}\b", f"{rule.sees} {rule.writes}")}
        assert named <= {"state", "closed_at", "ended_at"}, table


def test_every_table_of_the_rules_has_its_policies(command):
    command(OF_NODE, "--node", "n1")
    assert with_policies() == {table for table, rule in node_rights.RULES.items() if rule.sees != node_rights.EVERY_ROW}


@pytest.mark.parametrize("rule", node_rights.RULES)
def test_whoever_logs_in_with_a_role_of_no_node_that_is_there_sees_nothing(command, rule):
    """Its name was mistyped, or its row is gone."""
    everything()
    command(OF_NODE, "--node", "elsewhere")
    if node_rights.RULES[rule].sees == node_rights.EVERY_ROW or rule == "jobs_forgottenjob":
        return
    columns = sql.SQL(", ").join(map(sql.SQL, node_rights.RULES[rule].reads))
    with connected(OF_NODE) as agent:
        assert agent.execute(sql.SQL("SELECT {} FROM {}").format(columns, sql.Identifier(rule))).fetchall() == []


def everything() -> None:
    job = builders.running_job(gpu_indices=[0], owner=builders.user())
    builders.event(job=job)
    builders.log(attempt=job.attempts.get())


def test_an_end_is_told_settled_and_charged_whole(command):
    """All that is written after the placement was closed, in the same transaction; and the job goes elsewhere with it."""
    job = builders.running_job(node=builders.node(name="n1", gpus=1), gpu_indices=[0], cpus=4, owner=builders.user())
    builders.event(job=job, kind="submitted", actor="ada")
    row = Placement.objects.select_related("attempt").get()
    begun = database_now_before(seconds=3600)
    Price.objects.create(target="cpu", per_hour=3600, currency="EUR", valid_from=begun)
    command(OF_NODE, "--node", "n1")

    with speaking_as(OF_NODE):
        ended = PlacementOutcome(PlacementRef(row.pk, str(row.attempt.token)), EndReason.NODE_LOST, cpu_seconds=7.0)
        assert finish([ended]) == {row.pk}

    assert [one.kind for one in LedgerTransaction.objects.order_by("id")] == ["settle", "refund"]
    assert UsageTally.objects.get().owner == job.owner
    assert (job.events.last().kind, job.attempts.get().cpu_seconds) == ("requeued", 7.0)
    assert not GpuHold.objects.exists()


def test_who_adds_rows_does_not_number_them(command):
    """The next ones of others would find their numbers taken."""
    job = builders.running_job(node=builders.node(name="n1"))
    command(OF_NODE, "--node", "n1")
    with connected(OF_NODE) as agent:
        agent.execute(ADD_EVENT, [job.pk])
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            agent.execute(ADD_EVENT.replace("(job_id,", "(id, job_id,").replace("(%s,", "(9999, %s,"), [job.pk])


def test_of_a_gang_the_members_elsewhere_are_seen_and_only_unclaimed_ones_closed(command):
    here, there, third = (builders.node(name=name) for name in ("n1", "n2", "n3"))
    mine, claimed, placed = builders.gang(here, there, third)
    Placement.objects.filter(pk__in=[mine.pk, claimed.pk]).update(state="claimed")
    command(OF_NODE, "--node", "n1")

    with connected(OF_NODE) as agent:
        assert len(agent.execute("SELECT address FROM workers_node").fetchall()) == 3
        closed = "UPDATE jobs_placement SET state = 'closed', closed_at = now() WHERE node_id <> %s RETURNING id"
        assert agent.execute(closed, [here.pk]).fetchall() == [(placed.pk,)]


def test_what_has_ended_is_not_its_own_any_more_but_its_sessions_are_put_on_record(command):
    node = builders.node(name="n1")
    job = builders.running_job(node=node)
    attempt = job.attempts.get()
    job.attempts.update(ended_at=database_now_before(seconds=5))
    Placement.objects.update(state="closed", closed_at=database_now_before(seconds=5))
    command(OF_NODE, "--node", "n1")

    with connected(OF_NODE) as agent:
        assert agent.execute("UPDATE jobs_job SET desired = 'cancel'").rowcount == 0
        assert agent.execute("SELECT token FROM jobs_attempt").fetchall() == [(attempt.token,)]
        agent.execute(ADD_EVENT, [job.pk])
        Placement.objects.update(closed_at=database_now_before(seconds=3600))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            agent.execute(ADD_EVENT, [job.pk])
    assert JobEvent.objects.count() == 1


def test_what_comes_late_is_nobodys_and_fails_nothing(command):
    """Its member of a gang was given up while its agent was away; the others go on. A failure would come again for ever."""
    mine, other = builders.gang(builders.node(name="n1"), builders.node(name="n2"), state="running")
    attempt, token = mine.attempt, str(mine.attempt.token)
    Placement.objects.filter(pk=mine.pk).update(state="closed", closed_at=database_now_before(seconds=3600))
    session = JobSession.objects.create(placement=mine, user=builders.user(), kind="exec", token_hash="x")
    JobSession.objects.update(agent_at=database_now_before(seconds=4000))
    command(OF_NODE, "--node", "n1")
    run: Any = SimpleNamespace(placement_id=mine.pk, claimed=SimpleNamespace(attempt_id=attempt.pk, token=token))

    with speaking_as(OF_NODE):
        taking.announce([mine.pk])
        assert events._open_tokens([run]) == {}
        assert logs._lock_open([run]) == {}
        assert claims.renew([PlacementRef(mine.pk, token)], node_id=mine.node_id).kept == frozenset()
        assert finish([PlacementOutcome(PlacementRef(mine.pk, token), EndReason.COMPLETED)]) == frozenset()
        ending.end([Ended(session.pk, 0)])
        with connection.cursor() as cursor:
            said: list[Any] = [[attempt.pk], [token], [7], [0], [None]]
            cursor.execute(series.WRITE, [*said, [attempt.pk], ["loss"], [1], ["{1}"], ["{1}"], ["{1}"]])
    assert not attempt.series.exists()
    assert KeptOutputs.objects.get().placement_id == mine.pk
    assert Placement.objects.get(pk=other.pk).state == "running"


@contextmanager
def speaking_as(role: str) -> Iterator[None]:
    """As if this process had logged in under that role."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET SESSION AUTHORIZATION {role}")
        try:
            yield
        finally:
            cursor.execute("RESET SESSION AUTHORIZATION")


def database_now_before(*, seconds: float):
    with connection.cursor() as cursor:
        cursor.execute("SELECT now() - make_interval(secs => %s)", [seconds])
        return cursor.fetchone()[0]


def test_no_folder_of_a_job_that_is_there_seems_to_be_forgotten(command):
    """That a node may not see a job says nothing of whether there is one."""
    there = builders.job()
    for number in (there.pk, there.pk + 1000):
        ForgottenJob.objects.create(job=number, ended_at=database_now_before(seconds=5))
    command(OF_NODE, "--node", "n1")
    with speaking_as(OF_NODE):
        assert forgotten_jobs.forgotten([there.pk, there.pk + 1000]) == [there.pk + 1000]
    assert Job.objects.filter(pk=there.pk).exists()
