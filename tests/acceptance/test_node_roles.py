"""SECURITY.md says what the database lets an agent's role do: here one who knows the password of a node's agent tries it, beside real agents."""

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
from django.utils import timezone

from jobs.models import Job, Placement, UsageTally
from tests import builders
from tests.acceptance.platform import ROOT, Platform, output, submitted, wait_for_state
from tests.waiting import wait_for
from workers.models import Node

pytestmark = pytest.mark.timeout(300)
COLUMNS: dict[str, list[str]] = {"its node's role": ["n1"], "one role for all agents": []}
"""By the heads of the table in SECURITY.md, of which nodes the role is; none: of all."""
UNCHANGED = ("command", "env", "project_id", "owner_id", "retries_used", "attempt", "node_id")
SECRET = "a-value-of-theirs"
RUNS = 'echo "reads {}"; printf \'{{"progress": 0.5, "loss": 1.0}}\\n\' >> "$TRAINYARD_REPORT"; while ! test -e {}; do sleep 0.2; done'


class Targets(NamedTuple):
    """What there is on the node whose password is known, and what there is elsewhere: running, placed, and waiting."""

    mine: Placement
    theirs: Placement
    placed: Placement
    waiting: Job

    @property
    def ids(self) -> dict[str, Any]:
        mine, theirs = self.mine, self.theirs
        return {
            "secret": f"%{SECRET}%", "waiting": self.waiting.pk, "placed": self.placed.pk,
            "my_node": mine.node_id, "my_placement": mine.pk, "my_attempt": mine.attempt_id, "my_job": mine.attempt.job_id,
            "node": theirs.node_id, "placement": theirs.pk, "attempt": theirs.attempt_id, "job": theirs.attempt.job_id,
            "token": str(theirs.attempt.token), "project": self.waiting.project_id, "owner": self.waiting.owner_id,
        }  # fmt: skip


ADD_CHUNK = "INSERT INTO jobs_logchunk (attempt_id, number, \"offset\", data) VALUES (%(attempt)s, 10000, 0, 'forged')"
TRIES: dict[str, tuple[str, ...]] = {
    "read the command or `env` of a job that is not on its node": (
        "SELECT FROM jobs_job WHERE id IN (%(job)s, %(waiting)s)",
        "SELECT FROM jobs_job WHERE id <> %(my_job)s AND (env::text LIKE %(secret)s OR command::text LIKE %(secret)s)",
        "UPDATE jobs_job SET desired = desired WHERE id = %(job)s RETURNING env",
    ),
    "read such a job's log, series or history": (
        "SELECT FROM jobs_logchunk WHERE attempt_id = %(attempt)s",
        "SELECT FROM jobs_metricseries WHERE attempt_id = %(attempt)s",
        "SELECT FROM jobs_jobevent WHERE job_id = %(job)s",
        "SELECT FROM jobs_logchunk WHERE attempt_id <> %(my_attempt)s AND encode(data, 'escape') LIKE %(secret)s",
    ),
    "read the token of such a job's placement, by which its secrets and its code are handed over": (
        "SELECT FROM jobs_attempt WHERE id = %(attempt)s",
        "SELECT FROM jobs_attempt WHERE token::text = %(token)s",
    ),
    "see what runs and what waits elsewhere, on which nodes": (
        "SELECT FROM jobs_placement WHERE id = %(placement)s",
        "SELECT FROM workers_node WHERE id = %(node)s",
        "SELECT FROM jobs_gpuhold WHERE node_id = %(node)s",
        "SELECT FROM quotas_project WHERE id = %(project)s",
        "SELECT FROM jobs_queue",
    ),
    "read the names of users": ("SELECT username FROM auth_user",),
    "end, stop or change another node's job": (
        "UPDATE jobs_job SET state = 'failed', finished_at = now() WHERE id = %(job)s",
        "UPDATE jobs_job SET desired = 'cancel' WHERE id <> %(my_job)s",
        "UPDATE jobs_job SET command = '[\"sh\"]' WHERE id = %(waiting)s",
        "UPDATE jobs_attempt SET exit_code = 1 WHERE id = %(attempt)s",
        "UPDATE jobs_placement SET state = 'closed', closed_at = now() WHERE id = %(placement)s",
        "DELETE FROM jobs_job WHERE id = %(waiting)s",
    ),
    "write into its log, its series or its history": (
        ADD_CHUNK,
        "UPDATE jobs_metricseries SET values = '{}' WHERE attempt_id = %(attempt)s",
        "INSERT INTO jobs_metricseries (attempt_id, name, count, steps, times, values) VALUES (%(attempt)s, 'x', 0, '{}', '{}', '{}')",
        "INSERT INTO jobs_jobevent (job_id, kind, from_state, to_state, actor, message, data) VALUES (%(job)s, 'note', '', '', '', '', '{}')",
        "UPDATE jobs_job SET progress = 1 WHERE id = %(job)s",
    ),
    "claim what is placed on another node": (
        "UPDATE jobs_placement SET state = 'claimed' WHERE id = %(placed)s",
        "UPDATE jobs_placement SET node_id = %(my_node)s WHERE id = %(placed)s",
        "SELECT FROM jobs_placement WHERE id = %(placed)s FOR UPDATE",
    ),
    "keep another node's leases alive, or let them run out": (
        "UPDATE jobs_placement SET lease_expires_at = now() + interval '1 day' WHERE id = %(placement)s",
        "UPDATE jobs_placement SET lease_expires_at = now() - interval '1 day' WHERE id = %(placement)s",
    ),
    "speak for another node": (
        "UPDATE workers_node SET agent_id = NULL, state = 'down' WHERE id = %(node)s",
        "UPDATE workers_node SET name = 'n9' WHERE id = %(my_node)s",
        ("INSERT INTO workers_node (name, hostname, state, drain_reason, cordoned, drain_mode, cpus, memory_mb, gpus, load, labels, version)"
        " VALUES ('n9', '', 'up', '', false, 'wait', 64, 0, '[]', '{}', '{}', '')"),
    ),
    "take or free another node's GPUs": (
        "DELETE FROM jobs_gpuhold WHERE node_id = %(node)s",
        "UPDATE jobs_gpuhold SET placement_id = %(my_placement)s",
    ),
    "turn what it runs into a way to another job": (
        "UPDATE jobs_placement SET attempt_id = %(attempt)s, rank = 7 WHERE id = %(my_placement)s",
        "UPDATE jobs_attempt SET job_id = %(job)s, number = 7 WHERE id = %(my_attempt)s",
        ("INSERT INTO jobs_attempt (job_id, number, token, end_reason, message, decision)"
        " VALUES (%(waiting)s, 7, gen_random_uuid(), '', '', '{}')"),
        ("INSERT INTO jobs_placement (attempt_id, node_id, rank, cpus, memory_mb, gpu_indices, state)"
        " VALUES (%(attempt)s, %(my_node)s, 7, 1, 0, '{}', 'placed')"),
        "UPDATE jobs_job SET project_id = %(project)s, owner_id = %(owner)s WHERE id = %(my_job)s",
        "UPDATE jobs_job SET command = '[\"sh\"]', secrets = '{TOKEN}' WHERE id = %(my_job)s",
    ),
    "have others pay, or make their shares smaller": (
        "UPDATE jobs_usagetally SET used = 0 WHERE project_id = %(project)s",
        "INSERT INTO jobs_usagetally (project_id, owner_id, used, as_of) VALUES (%(project)s, NULL, 1e9, now())",
        ("INSERT INTO quotas_ledgertransaction (kind, placement, at, cost, currency, reason, job, job_name, attempt, batch, labels,"
        " project, project_slug, user_name, node, holding, held_from)"
        " VALUES ('settle', 10000000, now(), 9, 'EUR', '', %(my_job)s, '', 1, '', '{}', %(project)s, '', '', '', '{}', now())"),
    ),
    "say which role is which node's": (
        "SELECT FROM workers_agentrole",
        "INSERT INTO workers_agentrole (role, node) SELECT session_user, 'n2'",
        "UPDATE workers_agentrole SET node = 'n2'",
        "ALTER TABLE jobs_job DISABLE ROW LEVEL SECURITY",
        "DROP POLICY node_sees ON jobs_job",
    ),
    "read a password, a session, a token of a user's, or a secret": (
        "SELECT password FROM auth_user",
        "SELECT FROM knox_authtoken",
        "SELECT FROM django_session",
        "SELECT FROM quotas_secret",
    ),
}  # fmt: skip
"""By what SECURITY.md calls it, statements each of which is a way to it."""


def promised() -> dict[str, dict[str, str]]:
    """The table of SECURITY.md: by the try, by the column, `no` or `yes`."""
    text = (
        (ROOT / "SECURITY.md").read_text().partition("## What an agent may do in the database")[2].partition("\n## ")[0]
    )
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "---" not in line]
    return {row[0]: dict(zip(rows[0][1:], (cell.strip("*") for cell in row[1:]), strict=True)) for row in rows[1:]}


def test_the_table_has_a_row_for_each_try_and_a_column_for_each_role():
    table = promised()
    assert list(table) == list(TRIES)
    assert {tuple(row) for row in table.values()} == {tuple(COLUMNS)}
    assert {cell for row in table.values() for cell in row.values()} == {"no", "yes"}


@pytest.fixture
def agents(platform: Platform) -> Platform:
    """Two, each under the role of its node."""
    platform.role_for_each_node = True
    platform.start("n1", "n2", gpus=1)
    return platform


@pytest.fixture
def end(tmp_path) -> Path:
    """With this file the jobs end."""
    return tmp_path / "end"


@pytest.fixture
def targets(agents: Platform, end: Path) -> Targets:
    """A job on each node; beside theirs one that nobody has claimed, and one that waits for a node of its size."""
    for node in Node.objects.all():
        Node.objects.filter(pk=node.pk).update(labels={"is": node.name})
    mine, theirs = (
        submitted(RUNS.format(SECRET, end), gpus=1, node_labels={"is": name}, env={"VALUE": SECRET})[0]
        for name in ("n1", "n2")
    )
    for job in (mine, theirs):
        wait_for_state(job, "running", platform=agents)
        wait_for(partial(has_reported, job), 40, "it to report")
    waiting = builders.job(cpus=64, owner=builders.user(), env={"VALUE": SECRET})
    UsageTally.objects.create(project=waiting.project, owner=waiting.owner, used=1, as_of=timezone.now())
    placed = builders.placement(
        attempt=builders.attempt(job=builders.job(state="queued")), node=Node.objects.get(name="n2")
    )
    return Targets(placement_of(mine), placement_of(theirs), placed, waiting)


def has_reported(job: Job) -> bool:
    return SECRET in output(job) and job.attempts.get().series.exists()


def placement_of(job: Job) -> Placement:
    return Placement.objects.select_related("attempt").get(attempt__job=job)


@pytest.mark.parametrize("column", COLUMNS)
def test_a_role_reaches_what_the_table_says_and_nothing_else(agents: Platform, targets: Targets, end: Path, column):
    before = Job.objects.get(pk=targets.theirs.attempt.job_id)

    with psycopg.connect(agents.agent_url(*COLUMNS[column])) as adversary:
        reached = {
            words: ways
            for words, tries in TRIES.items()
            if (ways := [one for one in tries if succeeds(adversary, one, targets.ids)])
        }

    says = {words for words, row in promised().items() if row[column] == "yes"}
    assert set(reached) == says, reached
    end.touch()
    for row in (targets.mine, targets.theirs):
        job = wait_for_state(row.attempt.job, "completed", platform=agents)
        assert output(job) == f"reads {SECRET}\n"
    assert [getattr(job, name) for name in UNCHANGED] == [getattr(before, name) for name in UNCHANGED]


def succeeds(adversary: psycopg.Connection, statement: str, ids: dict[str, Any]) -> bool:
    """Whether it finds or changes anything, or fails for another reason than that this is not allowed. Nothing of it stays."""
    try:
        return adversary.execute(statement, ids).rowcount != 0
    except psycopg.errors.InsufficientPrivilege:
        return False
    except psycopg.Error:
        return True
    finally:
        adversary.rollback()
