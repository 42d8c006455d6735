"""What the agent of one node may do in the database under a role of its own: what the jobs on its node need, and no more.

All such roles are members of one group. It has rights on columns of some tables, and in each of these policies that leave
it the rows to which a placement on the node leads. Others are subject to none: the owner never is, for everybody else all
rows pass. A row that an agent may not see is to it as one that is not its own any more: its statement finds nothing.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from django.apps import apps
from django.db import connection, transaction
from psycopg import sql

from scheduling.errors import ConflictError
from workers.models import AgentRole

GROUP = "trainyard_nodes"
LOCK_SECONDS = 5
"""So long a table that somebody holds, as a backup does, is waited for: all others wait behind us meanwhile."""
# What was closed in this transaction counts as open: with an end more is written than the end. But nobody keeps a transaction
# for that.
JUST_CLOSED = "closed_at >= greatest(now(), statement_timestamp() - interval '1 minute')"
QUERIES = {
    "nodes": """
        SELECT node.id FROM workers_agentrole AS bound JOIN workers_node AS node ON node.name = bound.node
        WHERE bound.role = session_user
    """,
    "attempts": """
        SELECT placement.attempt_id FROM workers_agentrole AS bound JOIN workers_node AS node ON node.name = bound.node
            JOIN jobs_placement AS placement ON placement.node_id = node.id AND placement.closed_at IS NULL
        WHERE bound.role = session_user
        UNION ALL
        SELECT attempt_id FROM jobs_placement WHERE node_id = {nodes} AND {just_closed}
    """,
    "jobs": "SELECT job_id FROM jobs_attempt WHERE id = {attempts}",
    # Those of before as well: by how they ended it is judged whether there is another one.
    "jobs_attempts": "SELECT id FROM jobs_attempt WHERE job_id = {jobs}",
    "jobs_nodes": "SELECT DISTINCT node_id FROM jobs_placement WHERE attempt_id = {jobs_attempts}",
    # Of a gang also what nobody has claimed: it is closed with whoever fails before.
    "placements": """
        SELECT id FROM jobs_placement
        WHERE attempt_id = {attempts} AND (node_id = {nodes} OR state = 'placed' OR {just_closed})
    """,
}
"""What is the node's that speaks, by what conditions call it; each may name those before it."""
# Of whoever has logged in, and not of who defines it; with the owner's eyes, as policies cannot look into tables that have
# some. In a query of its own it is asked once a statement, not once a row.
OWN = {"names": "ANY ((SELECT agent_names())::text[])", "just_closed": JUST_CLOSED} | {
    what: f"ANY ((SELECT agent_{what}())::bigint[])" for what in QUERIES
}
CONDITIONS = {
    "agent_ran(attempt bigint) RETURNS boolean": """
        SELECT FROM jobs_placement WHERE attempt_id = attempt AND node_id = {nodes}
    """,
    # A session beside a job is put on record a moment after the attempt with which it has ended.
    "agent_ran_lately(job bigint) RETURNS boolean": """
        SELECT FROM jobs_attempt AS attempt JOIN jobs_placement AS placement ON placement.attempt_id = attempt.id
        WHERE attempt.job_id = job AND placement.node_id = {nodes}
            AND placement.closed_at > now() - interval '10 minutes'
    """,
    # A job's folder stays while there is the job; an agent itself sees only its own ones.
    "agent_has_job(number bigint) RETURNS boolean": "SELECT FROM jobs_job WHERE id = number",
}
BODY = """
    CREATE OR REPLACE FUNCTION {} LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
    $$ BEGIN RETURN {}; END $$
"""


def _functions() -> dict[str, str]:
    """By how they are called and what they answer, with what. Each is one statement: none calls another, as calls have a price."""
    known = {"just_closed": JUST_CLOSED}
    for what, query in QUERIES.items():
        known[what] = f"ANY (ARRAY({query.format(**known)}))"
    arrays = {f"agent_{what}() RETURNS bigint[]": known[what].removeprefix("ANY ") for what in QUERIES}
    return arrays | {
        "agent_names() RETURNS text[]": "ARRAY(SELECT node FROM workers_agentrole WHERE role = session_user)",
        **{head: f"EXISTS ({query.format(**known)})" for head, query in CONDITIONS.items()},
    }


MAKE_GROUP = f"""
    DO $$ BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{GROUP}') THEN CREATE ROLE {GROUP} NOLOGIN; END IF;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END $$
"""
KNOWN = """
    SELECT relname, max(obj_description(pg_policy.oid, 'pg_policy'))
    FROM pg_policy JOIN pg_class ON pg_class.oid = polrelid
    WHERE relrowsecurity AND polname = ANY (%(names)s::text[]) GROUP BY relname HAVING count(*) = cardinality(%(names)s::text[])
"""
ABOVE_POLICIES = """
    SELECT rolsuper OR rolbypassrls OR pg_has_role(oid, (SELECT relowner FROM pg_class WHERE oid = 'jobs_job'::regclass), 'MEMBER')
    FROM pg_roles WHERE rolname = %s
"""
ALL, EVERY_ROW = ("*",), "true"
EVERYBODY = "everybody"


@dataclass(frozen=True)
class Rule:
    """What may be done with a table: of which rows what is read, and what of which is changed."""

    sees: str
    """A condition on a row."""
    writes: str = ""
    """Where what it may write is less than what it sees."""
    reads: tuple[str, ...] = ALL
    adds: bool = False
    changes: tuple[str, ...] = ()
    removes: bool = False

    def rights(self, columns: Iterable[str]) -> list[str]:
        """In a table of these columns. Who adds a row does not number it: he could take the numbers of others' next ones."""
        added = tuple(name for name in columns if name != "id") if self.adds else ()
        some = {"SELECT": self.reads, "INSERT": added, "UPDATE": self.changes}
        return [f"{verb}{_in_brackets(names)}" for verb, names in some.items() if names] + ["DELETE"] * self.removes

    @property
    def policies(self) -> dict[str, str]:
        """By name, as they are written behind it. Whoever is in the group has to pass those with its name as well."""
        sees, writes = self.sees.format(**OWN), (self.writes or self.sees).format(**OWN)
        return {
            EVERYBODY: "TO PUBLIC USING (true)",
            "node_sees": f"AS RESTRICTIVE FOR SELECT TO {GROUP} USING ({sees})",
            "node_adds": f"AS RESTRICTIVE FOR INSERT TO {GROUP} WITH CHECK ({writes})",
            # As which columns may be changed makes no row another node's.
            "node_changes": f"AS RESTRICTIVE FOR UPDATE TO {GROUP} USING ({writes}) WITH CHECK (true)",
            "node_removes": f"AS RESTRICTIVE FOR DELETE TO {GROUP} USING ({writes})",
        }


def _in_brackets(columns: tuple[str, ...]) -> str:
    quoted = [f'"{name}"' for name in columns]
    return "" if columns == ALL else f" ({', '.join(quoted)})"


JOB, ATTEMPT, PLACEMENT = "job_id = {jobs}", "attempt_id = {attempts}", "placement_id = {placements}"
USED = (
    "peak_memory_mb", "cpu_seconds", "gpu_measured_seconds", "gpu_busy_seconds", "gpu_idle_seconds", "gpu_peak_memory_mb",
    "gpu_joules", "cpu_joules", "energy_partial",
)  # fmt: skip
RULES = {
    "jobs_job": Rule(
        "id = {jobs}",
        changes=(
            "state", "desired", "reasons", "progress", "said_done", "progress_at", "metrics", "checkpoint_at", "node_id", "not_before",
            "retries_used", "platform_retries_used", "suspended_at", "out_of_line_since", "started_at", "finished_at",
            "exit_code", "end_reason", "message",
        ),
    ),
    "jobs_attempt": Rule(
        f"{JOB} OR (ended_at IS NOT NULL AND agent_ran(id))",
        "id = {attempts}",
        changes=("started_at", "ended_at", "end_reason", "exit_code", "message", "saved", *USED),
    ),
    # Never of which attempt and node it is: that would lead to others' jobs.
    "jobs_placement": Rule(
        "node_id = {nodes} OR attempt_id = {jobs_attempts}",
        """(closed_at IS NULL OR {just_closed})
            AND (node_id = {nodes} OR (state = 'placed' AND attempt_id = {attempts}))
        """,
        changes=(
            "state", "claimed_at", "claimed_by", "lease_expires_at", "closed_at", "end_reason", "active_at", "gpus_active_at", "gpus_measured_at",
        ),
    ),
    "jobs_gpuhold": Rule(PLACEMENT, removes=True),
    "jobs_jobevent": Rule(f"{JOB} OR agent_ran_lately(job_id)", adds=True),
    "jobs_jobmove": Rule(JOB, f"{JOB} AND room = '[]'", adds=True),
    "jobs_jobsession": Rule(
        """EXISTS (
            SELECT FROM jobs_placement AS there WHERE there.id = placement_id AND there.node_id = {nodes}
                AND (there.closed_at IS NULL OR there.closed_at > now() - interval '10 minutes')
        )""",
        changes=("ended_at", "exit_code", "outcome"),
    ),
    "jobs_logchunk": Rule(ATTEMPT, adds=True),
    "jobs_followedlog": Rule(ATTEMPT),
    "jobs_reportmark": Rule(ATTEMPT, adds=True, changes=("offset", "refused", "step")),
    "jobs_metricseries": Rule(ATTEMPT, adds=True, changes=("count", "steps", "times", "values")),
    # Also of what others have closed meanwhile: it may be brought for days.
    "jobs_keptoutputs": Rule(
        """EXISTS (
            SELECT FROM jobs_placement AS there
            WHERE there.id = placement_id AND there.attempt_id = jobs_keptoutputs.attempt_id AND there.node_id = {nodes}
        )""",
        adds=True,
    ),
    "jobs_usagetally": Rule(
        """EXISTS (
            SELECT FROM jobs_job AS held
            WHERE held.project_id = jobs_usagetally.project_id AND held.owner_id IS NOT DISTINCT FROM jobs_usagetally.owner_id
        )""",
        adds=True,
        changes=("used", "as_of"),
    ),
    "jobs_forgottenjob": Rule("NOT agent_has_job(job)"),
    "jobs_codesnapshot": Rule("id IN (SELECT snapshot_id FROM jobs_job)", reads=("id", "digest")),
    "quotas_project": Rule("id IN (SELECT project_id FROM jobs_job)"),
    "quotas_price": Rule(EVERY_ROW),
    "quotas_ledgertransaction": Rule(
        "job = {jobs}",
        "EXISTS (SELECT FROM jobs_job AS held WHERE held.id = job AND held.project_id = project)",
        adds=True,
    ),
    "quotas_ledgerentry": Rule(
        "EXISTS (SELECT FROM quotas_ledgertransaction AS booked WHERE booked.id = transaction_id)", adds=True
    ),
    "workers_node": Rule(
        "name = {names} OR id = {jobs_nodes}",
        "name = {names} AND cluster_id IS NULL",
        adds=True,
        changes=(
            "hostname", "address", "state", "drain_reason", "cordoned", "drain_mode", "drain_deadline", "cpus", "memory_mb",
            "suspicion", "suspicions", "trial_at", "forgiven_at", "gpus", "load", "labels", "consuming", "heard_at", "agent_id",
            "boot_id", "version", "registered_at", "last_heartbeat_at", "refusal", "refused_at", "leaves_at", "removed_at",
        ),
    ),
    "workers_cluster": Rule(EVERY_ROW),
    "workers_platformprotocol": Rule(EVERY_ROW),
    "auth_user": Rule("id IN (SELECT user_id FROM jobs_jobsession)", reads=("id", "username")),
}  # fmt: skip
"""By table; of others such a role may not even know how many rows they have."""


def nodes_of(role: str) -> list[str]:
    """Whose role it is; none: that of all agents, or nobody's."""
    return sorted(AgentRole.objects.filter(role=role).values_list("node", flat=True))


def are_used() -> bool:
    """Whether any role is bound to a node: else tables have no policies, and cost nobody anything."""
    return AgentRole.objects.exists()


def bind(role: str, nodes: Iterable[str]) -> None:
    """From now on this role, which is there, is that of the agents of these nodes, and of nothing else.

    Raises ConflictError of one to which policies do not apply.
    """
    with transaction.atomic():
        if _is_above_policies(role):
            raise ConflictError(
                f"{role!r} is a superuser, owns the tables or has BYPASSRLS: nothing would bind it to a node."
            )
        AgentRole.objects.filter(role=role).delete()
        AgentRole.objects.bulk_create(AgentRole(role=role, node=node) for node in sorted(set(nodes)))
        _execute("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {}", sql.Identifier(role))
        _execute("GRANT {} TO {}", sql.Identifier(GROUP), sql.Identifier(role))


def _is_above_policies(role: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(ABOVE_POLICIES, [role])
        found = cursor.fetchone()
    return found is not None and bool(found[0])


def enforce() -> None:
    """Bring rights and policies of all nodes' roles up to date. Safe to run at any time, also beside agents at work.

    A table at a time, and only where its policies are others: for a moment nobody else uses it. What a role may do
    comes last, so that it is never more than it should be. Raises OperationalError where a table is held for too long.
    """
    with transaction.atomic():
        _make_group()
        for head, answer in _functions().items():
            _execute(BODY.format(head, answer))
    known = _known_policies()
    for table, rule in RULES.items():
        if rule.sees != EVERY_ROW and known.get(table) != _digest(rule):
            _write_policies(table, rule)
    with transaction.atomic():
        _execute("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {}", sql.Identifier(GROUP))
        _execute("GRANT USAGE ON SCHEMA public TO {}", sql.Identifier(GROUP))
        columns = _columns()
        for table, rule in RULES.items():
            rights = ", ".join(rule.rights(columns[table]))
            _execute(f"GRANT {rights} ON {{}} TO {{}}", sql.Identifier(table), sql.Identifier(GROUP))


def _write_policies(table: str, rule: Rule) -> None:
    with transaction.atomic():
        _execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
        _execute("ALTER TABLE {} ENABLE ROW LEVEL SECURITY", sql.Identifier(table))
        for name, policy in rule.policies.items():
            _execute(f"DROP POLICY IF EXISTS {name} ON {{}}", sql.Identifier(table))
            _execute(f"CREATE POLICY {name} ON {{}} {policy}", sql.Identifier(table))
        _execute(f"COMMENT ON POLICY {EVERYBODY} ON {{}} IS {{}}", sql.Identifier(table), sql.Literal(_digest(rule)))


def _known_policies() -> dict[str, str]:
    """By table, of which rule they are; of a table that lacks one or does not heed them, nothing."""
    with connection.cursor() as cursor:
        cursor.execute(KNOWN, {"names": list(Rule("").policies)})
        return dict(cursor.fetchall())


def _columns() -> dict[str, list[str]]:
    """Of each table."""
    tables = [model._meta for model in apps.get_models()]  # noqa: SLF001  Django's own way
    return {one.db_table: [str(field.column) for field in one.local_concrete_fields] for one in tables}


def _digest(rule: Rule) -> str:
    return hashlib.sha256(repr(rule.policies).encode()).hexdigest()


def _make_group() -> None:
    """Roles are the whole server's: another database of it may have made it, or be at it."""
    with connection.cursor() as cursor:
        cursor.execute(MAKE_GROUP)


def _execute(statement: str, *parts: sql.Composable) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(statement).format(*parts))
