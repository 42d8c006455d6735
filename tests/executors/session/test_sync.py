"""What an agent claims, reports and renews, and what of it waits: for the database, for a log, for its jobs."""

import signal
import time
import uuid
from concurrent.futures import CancelledError

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from executors.run.placement_run import PlacementRun
from executors.session import sync
from executors.session.requests import Claim, Finish, Identity
from executors.upload import logs
from jobs.attempts.claims import PlacementSpec
from jobs.models import Job, Placement
from jobs.state.outcome import PlacementOutcome, PlacementRef
from scheduling.errors import ConflictError
from scheduling.lifecycle import EndReason, JobState
from tests import builders
from tests.executors.upload.test_logs import run_of
from workers import heartbeats
from workers.hardware.inventory import Hardware
from workers.models import Node
from workers.runtime.shim.log import Log

pytestmark = pytest.mark.django_db
MINE = uuid.uuid4()


@pytest.fixture
def run(tmp_path) -> PlacementRun:
    return run_of(builders.running_job(node=builders.node(name="n1", agent_id=MINE)), tmp_path / "run")


@pytest.fixture
def sent(monkeypatch):
    """The signals that the agent sends itself."""
    numbers: list[int] = []
    monkeypatch.setattr("executors.session.sync.os.kill", lambda _, number: numbers.append(number))
    return numbers


@pytest.fixture
def mine(run, tmp_path, sent):
    """The session of that node's agent, without its thread."""
    made = sync.NodeSession(identity=Identity("n1", MINE), hardware=Hardware(8, 32768), attempts=tmp_path, load=dict)
    made.node_id = Node.objects.get().pk
    made.reattach(run)
    return made


def lease():
    return Placement.objects.get().lease_expires_at


def test_an_agent_that_another_one_has_replaced_renews_nothing_and_ends(mine, run, sent):
    Node.objects.update(agent_id=uuid.uuid4())

    mine._beat()
    mine._beat()

    assert lease() is None
    assert run.suspended is False
    assert sent == [signal.SIGTERM], "told once"


def test_an_agent_renews_what_runs(mine, sent):
    mine._beat()

    assert lease() is not None
    assert sent == []


def test_a_run_that_hangs_is_not_renewed(mine, run, monkeypatch):
    later = time.monotonic() + 1000
    monkeypatch.setattr("executors.run.placement_run.time.monotonic", lambda: later)

    mine._beat()

    assert run.hangs
    assert lease() is None


def placed(**fields) -> PlacementRef:
    """A placement on that node which nobody has claimed."""
    job = builders.job(state=JobState.QUEUED, **fields)
    row = builders.placement(attempt=builders.attempt(job=job), node=Node.objects.get())
    return PlacementRef(row.pk, str(row.attempt.token))


def asked(session, *requests):
    """The answers of one turn; None where there is none yet."""
    session._unsaid += requests
    session._turn()
    return [request.answer.result() if request.answer.done() else None for request in requests]


def completed(run) -> Finish:
    return Finish(run, PlacementOutcome(run.claimed.ref, EndReason.COMPLETED, exit_code=0))


def fails(*_, **__):
    raise OperationalError("away")


def test_of_two_messages_for_one_placement_the_first_gets_the_run(mine):
    ref = placed()

    first, second = asked(mine, Claim(ref), Claim(ref))

    assert (first.placement_id, second) == (ref.placement_id, None)


@pytest.mark.parametrize("going", ["drain", "detach"])
def test_an_agent_that_is_about_to_end_claims_nothing(mine, going):
    ref = placed()
    mine._draining.set() if going == "drain" else mine.detach(0)

    assert asked(mine, claim := Claim(ref)) == [None]

    assert claim.answer.done(), "whoever asks does not wait for the next agent"
    assert Placement.objects.get(pk=ref.placement_id).state == "placed"


def test_an_end_that_the_database_did_not_take_is_reported_once_it_is_back(mine, run, monkeypatch):
    report = completed(run)
    with monkeypatch.context() as away:
        away.setattr(sync, "finish", fails)
        away.setattr(time, "sleep", lambda _: None)
        away.setattr(connection, "close", lambda: None)  # the test's own
        mine._unsaid = [report]
        assert mine._run_step(mine._turn) is False
        mine.detach(0)
        assert (report.answer.done(), mine._over()) == (False, False), "it does not end with something unsaid"

    mine._turn()

    assert report.answer.done()
    assert (Job.objects.get().state, mine._over()) == ("completed", True)


def test_an_end_waits_for_its_log_and_keeps_its_lease_meanwhile(mine, run, monkeypatch):
    monkeypatch.setattr(logs, "TURN_BYTES", 1000)
    shim = Log(str(run.folder), 10**6)
    shim.add(b"x" * 300_000)
    run.log.end(shim.position)

    assert asked(mine, completed(run)) == [None]
    assert (Job.objects.get().state, lease() is not None) == ("running", True)

    for _ in range(10):
        mine._turn()
    assert Job.objects.get().state == "completed"


def test_a_placement_that_is_not_the_node_s_any_more_is_stopped_at_once(mine, run):
    Placement.objects.update(state="closed", closed_at=timezone.now())

    mine._beat()

    assert run._stop is not None
    assert (run._stop.reason, run._stop.grace_seconds) == (EndReason.LOST_LEASE, sync.LOST_GRACE_SECONDS)


def test_what_remote_control_calls_for_is_done_with_the_next_turn(mine, run):
    mine._next_ship = mine._next_beat = time.monotonic() + 1000
    Job.objects.update(desired="cancel")
    mine._turn()
    assert run._stop is None

    mine.refresh()
    mine._turn()

    assert (run._stop and run._stop.reason) == EndReason.CANCELLED


def run_of_placement(row: Placement, folder) -> PlacementRun:
    folder.mkdir()
    job = row.attempt.job
    spec = PlacementSpec(
        placement_id=row.pk, token=str(row.attempt.token), job_id=job.pk, job_name=job.name, attempt_id=row.attempt_id,
        attempt=row.attempt.number, project=job.project.slug, command=("true",), working_dir="", env={}, cpus=1,
        memory_mb=0, gpu_indices=(), max_runtime_seconds=None, rank=row.rank, nodes=job.nodes,
    )  # fmt: skip
    return PlacementRun(spec, folder, lease_deadline=0)


def test_a_drain_reaches_the_members_on_other_nodes_even_if_the_database_was_away(mine, tmp_path, monkeypatch):
    member, _ = builders.gang(Node.objects.get(), builders.node(name="n2"), state="running")
    gang = run_of_placement(member, tmp_path / "member")
    mine.reattach(gang)
    mine.drain()
    with monkeypatch.context() as away:
        away.setattr("executors.session.departure.gangs.stop_all", fails)
        away.setattr(time, "sleep", lambda _: None)
        away.setattr(connection, "close", lambda: None)  # the test's own
        mine._run_step(mine._turn)

    mine._turn()

    assert Job.objects.get(pk=gang.claimed.job_id).desired == "preempt"
    assert (gang._stop and gang._stop.reason) == EndReason.PREEMPTED


@pytest.mark.parametrize(
    ("state", "end_reason", "starts"), [("queued", "", False), ("assigned", "", True), ("assigned", "exit_code", False)]
)
def test_a_member_starts_when_its_gang_is_complete_and_nobody_of_it_has_ended(
    mine, tmp_path, state, end_reason, starts
):
    member, _ = builders.gang(Node.objects.get(), builders.node(name="n2"), state="claimed")
    Job.objects.filter(pk=member.attempt.job_id).update(state=state)
    type(member.attempt).objects.filter(pk=member.attempt_id).update(end_reason=end_reason)
    gang = run_of_placement(member, tmp_path / "member")
    mine.reattach(gang)

    mine._turn()

    assert gang.waits_for_its_gang is not starts


def test_an_agent_that_ends_in_order_leaves_nothing_placed_on_its_node(mine):
    ref = placed()

    mine._deregister()

    assert Node.objects.get().state == "down"
    assert Job.objects.get(attempts__placements=ref.placement_id).state == "pending"


@pytest.fixture
def unregistered(tmp_path, monkeypatch):
    """A session whose thread has not begun; what it does, it does here and now."""
    session = sync.NodeSession(
        identity=Identity("fresh", uuid.uuid4()), hardware=Hardware(8, 32768), attempts=tmp_path, load=dict
    )
    monkeypatch.setattr(session._thread, "start", session._register)
    monkeypatch.setattr(connection, "close", lambda: None)  # the test's own
    return session


def test_a_node_that_belongs_to_another_agent_is_refused(unregistered):
    builders.node(name="fresh", agent_id=uuid.uuid4())

    with pytest.raises(ConflictError, match="another agent speaks for node"):
        unregistered.open()


def test_an_agent_registers_as_soon_as_the_database_is_back(unregistered, monkeypatch):
    register, tries = heartbeats.register, []

    def third_time(**fields):
        tries.append(1)
        return register(**fields) if len(tries) == 3 else fails()

    monkeypatch.setattr(heartbeats, "register", third_time)
    monkeypatch.setattr(unregistered._closing, "wait", lambda _: False)

    assert Node.objects.get(pk=unregistered.open()).name == "fresh"


def test_an_agent_that_is_told_to_end_before_the_database_answers_need_not_wait_for_it(unregistered, monkeypatch):
    monkeypatch.setattr(heartbeats, "register", fails)
    unregistered.drain()

    with pytest.raises(CancelledError):
        unregistered.open()
