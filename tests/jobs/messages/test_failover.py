"""The database goes away in the middle of each step of a job's way: all of the step has happened or nothing, and the next try does it.

Each step is run with its connection killed by the server after its first statement, its second one, and so on, up to and
including the moment before its commit.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone

from executors.run.placement_run import PlacementRun
from executors.upload import logs, progress
from jobs.attempts import claims
from jobs.attempts.completion import finish
from jobs.control import actions
from jobs.models import Attempt, GpuHold, Job, JobEvent, Placement, Queue
from jobs.models.logs import LogChunk
from jobs.models.sweep import Sweep
from jobs.planning.cycle import run_cycle
from jobs.recovery import sweep
from jobs.state.outcome import PlacementOutcome, PlacementRef
from jobs.submission.job_spec import JobSpec
from jobs.submission.submit import submit
from quotas.models import Project
from scheduling.lifecycle import EndReason, JobState, PlacementState
from tests import builders
from tests.acceptance.platform import database_address
from tests.executors.upload.test_logs import run_of
from tests.waiting import wait_for
from workers.models import Node

pytestmark = pytest.mark.django_db(transaction=True)
MOST_STATEMENTS = 100
EVERYTHING = (Job, Attempt, Placement, GpuHold, JobEvent, LogChunk, Node, Sweep)
Step = Callable[[], object]


class Cut:
    """Lets the connection be killed by the server once so many statements have been executed."""

    def __init__(self, after: int, server: psycopg.Connection) -> None:
        self.left = after
        self.server = server
        self.happened = False

    def __enter__(self) -> None:
        connection.ensure_connection()
        self.pid = connection.connection.info.backend_pid
        self._wrapper = connection.execute_wrapper(self)
        self._wrapper.__enter__()
        if not self.left:
            self.kill()

    def __exit__(self, *details: object) -> None:
        self._wrapper.__exit__(*details)  # type: ignore[arg-type]  # as they came
        if self.happened:
            connection.close()

    def __call__(self, execute: Any, *arguments: Any) -> Any:
        result = execute(*arguments)
        self.left -= 1
        if self.left == 0:
            self.kill()
        return result

    def kill(self) -> None:
        self.server.execute("SELECT pg_terminate_backend(%s)", [self.pid])
        alive = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
        wait_for(lambda: self.server.execute(alive, [self.pid]).fetchone() == (0,), 10, "the connection to be gone")
        self.happened = True


def contents() -> list[Any]:
    return [list(model.objects.order_by("pk").values()) for model in EVERYTHING]


def survives(step: Step, *, whole: bool = True) -> None:
    """Cut the step short after each of its statements in turn; then it is let through. One that is not `whole` may get on."""
    with psycopg.connect(database_address(), autocommit=True) as server:
        before = contents()
        for after in range(MOST_STATEMENTS):
            went_through, cut = False, Cut(after, server)
            with suppress(DatabaseError, InterfaceError), cut:
                step()
                went_through = True
            if went_through:
                return
            assert cut.happened
            assert not whole or contents() == before, (
                f"half of it was written, and the connection lost after statement {after}"
            )
    raise AssertionError("the step never went through")


def waiting_job(**fields: Any) -> Job:
    return builders.job(gpus=1, **fields)


def placed() -> Placement:
    waiting_job()
    run_cycle()
    return Placement.objects.select_related("attempt").get()


def ref(row: Placement) -> PlacementRef:
    return PlacementRef(row.pk, str(row.attempt.token))


def claimed() -> Placement:
    row = placed()
    assert claims.claim([ref(row)], node_id=row.node_id)
    return row


def running() -> Placement:
    row = claimed()
    assert claims.started({ref(row): timezone.now()}, node_id=row.node_id)
    return row


@pytest.fixture(autouse=True)
def node() -> Node:
    for name, rank in (("live", 20), ("default", 10), ("batch", 0)):  # truncated by the test before
        Queue.objects.get_or_create(name=name, defaults={"rank": rank})
    return builders.node(name="n1", gpus=1)


def test_submission():
    project = Project.objects.create(slug="p")
    owner = builders.member(project=project)

    survives(lambda: submit(specs=[JobSpec(name="job", project="p", command=("true",))] * 3, owner=owner))

    assert Job.objects.count() == 3


def test_planning_and_placing():
    waiting_job()

    survives(run_cycle)

    assert (Job.objects.get().state, Attempt.objects.count(), Placement.objects.count()) == (JobState.QUEUED, 1, 1)
    assert GpuHold.objects.count() == 1


def test_claiming():
    row = placed()
    won: list[claims.PlacementSpec] = []

    survives(lambda: won.extend(claims.claim([ref(row)], node_id=row.node_id)))

    assert [one.placement_id for one in won] == [row.pk]
    assert Job.objects.get().state == JobState.ASSIGNED


def test_starting():
    row = claimed()

    survives(lambda: claims.started({ref(row): timezone.now()}, node_id=row.node_id))

    assert (Job.objects.get().state, Placement.objects.get().state) == (JobState.RUNNING, PlacementState.RUNNING)


def test_renewing():
    row = running()

    survives(lambda: claims.renew([ref(row)], node_id=row.node_id))

    assert claims.renew([ref(row)], node_id=row.node_id).kept == {row.pk}


@pytest.fixture
def run(tmp_path: Path) -> PlacementRun:
    running()
    made = run_of(Job.objects.get(), tmp_path)
    (made.folder / "log").write_bytes(b"a line\n" * 1000)
    (made.folder / "report.jsonl").write_text('{"progress": 0.5, "loss": 1.25}\n')
    return made


def test_shipping_logs(run: PlacementRun):
    def until_all_is_there() -> None:
        deadline = time.monotonic() + 10
        while not logs.ship_tails([run]) and time.monotonic() < deadline:
            pass

    run.log.end(7000)
    survives(until_all_is_there)

    assert b"".join(bytes(chunk.data) for chunk in LogChunk.objects.order_by("number")) == b"a line\n" * 1000


def test_shipping_progress(run: PlacementRun):
    survives(lambda: progress.ship_progress([run]), whole=False)

    job = Job.objects.get()
    assert (job.progress, job.metrics) == (0.5, {"loss": 1.25})


@pytest.mark.parametrize(
    ("reason", "state"),
    [(EndReason.COMPLETED, "completed"), (EndReason.EXIT_CODE, "failed"), (EndReason.NODE_LOST, "pending")],
)
def test_the_report_of_an_end(reason: EndReason, state: str):
    row = running()

    survives(lambda: finish([PlacementOutcome(ref(row), reason, exit_code=0)]))

    job = Job.objects.get()
    assert (job.state, Placement.objects.get().state, GpuHold.objects.count()) == (state, PlacementState.CLOSED, 0)
    assert JobEvent.objects.filter(job=job, to_state=state).exclude(kind="submitted").count() == 1


def test_cancelling():
    row = placed()

    survives(lambda: actions.cancel(job_id=row.attempt.job_id, actor="ann"))

    assert (Job.objects.get().state, GpuHold.objects.count()) == (JobState.CANCELLED, 0)


def test_ending_what_a_silent_node_has_lost():
    running()
    Placement.objects.update(lease_expires_at=timezone.now() - timedelta(hours=1))

    survives(lambda: sweep._step(sweep._end_lost))

    assert (Job.objects.get().state, GpuHold.objects.count()) == (JobState.PENDING, 0)


def test_recovering():
    running()
    Placement.objects.update(lease_expires_at=timezone.now() - timedelta(hours=1))

    survives(sweep.recover, whole=False)  # several steps, each of them whole

    job = Job.objects.get()
    assert (job.state, job.platform_retries_used, GpuHold.objects.count()) == (JobState.PENDING, 1, 0)
