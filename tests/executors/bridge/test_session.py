"""One turn of a bridge after another, with a cluster of real processes and a real database."""

import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from executors.bridge import finishing, watching
from executors.bridge.session import ClusterSession
from executors.engine import Workload
from jobs.attempts.completion import finish
from jobs.control import actions
from jobs.models import Attempt, Job, Placement
from jobs.state.outcome import PlacementOutcome, PlacementRef
from scheduling.lifecycle import EndReason, JobState
from tests import builders
from tests.executors.bridge import process_cluster
from tests.executors.bridge.process_cluster import ControlPlane
from tests.executors.bridge.process_engine import ProcessEngine
from tests.waiting import wait_for
from workers import clusters
from workers.clusters import TakenOverError
from workers.models import Cluster, Node

pytestmark = pytest.mark.django_db
MINE = uuid.uuid4()
ONE = {"name": "n1", "cpus": 4, "memory_mb": 8192}
TWO = {"name": "n2", "cpus": 4, "memory_mb": 8192, "gpus": [("NVIDIA H100", 81_559)] * 4, "labels": {"zone": "b"}}


class Pond:
    """A cluster, and a session that speaks for it, each moved on by hand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "cluster"
        process_cluster.lay_out(self.folder, [ONE, TWO])
        self.control = ControlPlane(self.folder)
        self.home = folder / "home"
        self.home.mkdir()
        self.row = clusters.register(name="pond", kind="process", agent_id=MINE, version="1", image="", unsupported={})
        self.session = self.begin()

    def begin(self) -> ClusterSession:
        """As after a restart: nothing is in hand."""
        return ClusterSession(cluster=self.row, agent_id=MINE, engine=ProcessEngine(self.folder), folder=self.home)

    def turn(self) -> None:
        self.control.turn()
        self.session.look()
        self.session.ring()
        self.session._watch.not_before = self.session._next_beat = self.session._next_ship = 0.0
        self.session._next_nodes = self.session._ask_at = 0.0
        self.session._turn()

    def turn_until(self, condition: Callable[[], Any], words: str) -> None:
        def turned() -> Any:
            self.turn()
            return condition()

        wait_for(turned, 20, words)

    def nodes(self) -> dict[str, Node]:
        return {row.cluster_node: row for row in Node.objects.filter(cluster=self.row, removed_at__isnull=True)}

    def placed(self, *commands: str, on: tuple[str, ...] = ("n1",), **fields: Any) -> list[Job]:
        """A job on these nodes for each command."""
        jobs = []
        for command in commands:
            fields |= {"command": ["sh", "-c", command], "nodes": len(on), "node": self.nodes()[on[0]]}
            job = builders.job(state=JobState.QUEUED, **fields)
            attempt = builders.attempt(job=job)
            for rank, name in enumerate(on):
                builders.placement(attempt=attempt, node=self.nodes()[name], rank=rank)
            jobs.append(job)
        return jobs


@pytest.fixture
def pond(tmp_path: Path) -> Iterator[Pond]:
    made = Pond(tmp_path)
    made.turn()
    yield made
    for name in list(made.control._known):
        made.control._forget(name)


def state_of(job: Job) -> str:
    return str(Job.objects.values_list("state", flat=True).get(pk=job.pk))


def test_nodes_are_rows_less_what_others_use_of_them(pond):
    process_cluster.put(
        pond.folder / process_cluster.NODES,
        [
            {**ONE, "others_cpus": 1.5, "others_memory_mb": 1000},
            {**TWO, "others_gpus": 3, "usable": False, "why_unusable": "Cordoned."},
        ],
    )
    builders.placement(node=pond.nodes()["n2"], gpu_indices=[2])
    pond.turn()
    first, second = pond.nodes()["n1"], pond.nodes()["n2"]
    assert (first.name, first.cpus, first.memory_mb, first.state) == ("pond-n1", 2, 7192, "up")
    assert (second.state, second.labels, second.load["unusable"]) == ("draining", {"zone": "b"}, "Cordoned.")
    assert second.load["gpus_taken"] == [0, 1, 3]  # not the one that a placement of ours holds


def test_a_node_that_vanished_takes_nothing_and_comes_back(pond):
    process_cluster.put(pond.folder / process_cluster.NODES, [ONE])
    pond.turn()
    assert set(pond.nodes()) == {"n1"}
    process_cluster.put(pond.folder / process_cluster.NODES, [ONE, TWO])
    pond.turn()
    assert pond.nodes()["n2"].state == "up"


def test_its_nodes_are_looked_at_in_time_although_nothing_changes(pond):
    """By who sleeps until then, and does not ask a thousand times a second whether it is so far."""
    process_cluster.put(pond.folder / process_cluster.NODES, [{**ONE, "others_cpus": 3}, TWO])
    pond.session._look_wanted.clear()
    pond.session._next_nodes = pond.session._watch.not_before = 0.0
    pond.session._turn()
    assert pond.nodes()["n1"].cpus == 1
    assert pond.session._pause() > 0.1


def test_what_ends_right_after_others_is_reported_with_those_that_follow(pond, monkeypatch):
    """Not at once, but in time; who was alone for a while is not kept waiting."""
    monkeypatch.setattr(finishing, "TOGETHER_TIMES", 1e6)
    monkeypatch.setattr(finishing, "TOGETHER_SECONDS", 2.0)
    first, second = pond.placed("true", "sleep 0.2")
    pond.turn_until(lambda: state_of(first) == "completed", "the first to end")
    pond.turn_until(lambda: any(one.ending for one in pond.session._book), "the second to have ended")
    assert state_of(second) != "completed"
    assert pond.session._pause() <= finishing.TOGETHER_SECONDS
    pond.turn_until(lambda: state_of(second) == "completed", "its end on record")


def test_a_gang_starts_as_one_workload_with_its_last_member(pond):
    [job] = pond.placed("echo $RANK; sleep 60", on=("n1", "n2"))
    late = Placement.objects.get(attempt__job=job, rank=1)
    Placement.objects.filter(pk=late.pk).update(node=builders.node(name="elsewhere"))
    pond.turn()
    pond.turn()
    assert not list((pond.folder / process_cluster.WANTED).iterdir())
    Placement.objects.filter(pk=late.pk).update(node=late.node)
    pond.turn_until(lambda: state_of(job) == "running", "the gang to run")
    assert len(pond.control._known) == 1


def test_a_cluster_out_of_reach_is_told_of_and_nothing_is_claimed(pond):
    [running] = pond.placed("sleep 60")
    pond.turn_until(lambda: state_of(running) == "running", "it to run")
    (pond.folder / process_cluster.CUT).write_text("no route to host")
    [waiting] = pond.placed("true")
    heard = pond.nodes()["n1"].last_heartbeat_at
    pond.turn()
    pond.turn()
    assert Cluster.objects.get().fault == "no route to host"
    assert pond.nodes()["n1"].last_heartbeat_at == heard
    assert (state_of(running), state_of(waiting)) == ("running", "queued")
    (pond.folder / process_cluster.CUT).unlink()
    pond.turn_until(lambda: state_of(waiting) == "completed", "it to be taken up")
    assert Cluster.objects.get().fault == ""


def test_a_bridge_whose_row_was_taken_writes_nothing(pond):
    [job] = pond.placed("true")
    Cluster.objects.update(agent_id=uuid.uuid4())
    with pytest.raises(TakenOverError):
        pond.turn()
    assert state_of(job) == "queued"


def test_who_begins_anew_goes_on_with_what_runs(pond):
    """Nothing is started twice, and the log goes on where the database has it, though the spool is lost."""
    [job] = pond.placed("echo one; while [ ! -e go ]; do sleep 0.05; done; echo two")
    pond.turn_until(Attempt.objects.get(job=job).log_chunks.exists, "the first line")
    pond.home = pond.home.with_name("another machine")
    pond.home.mkdir()
    pond.session = pond.begin()
    pond.turn()
    [name] = pond.control._known
    (pond.folder / process_cluster.OUTPUT / name / "go").touch()
    pond.turn_until(lambda: state_of(job) == "completed", "its end")
    assert (
        b"".join(bytes(chunk.data) for chunk in Attempt.objects.get(job=job).log_chunks.order_by("number"))
        == b"one\ntwo\n"
    )


def test_what_is_claimed_and_was_never_started_is_started(pond):
    """The bridge before this one ended between its claim and the start."""
    [job] = pond.placed("true")
    Placement.objects.filter(attempt__job=job).update(state="claimed", claimed_by=MINE)
    Job.objects.filter(pk=job.pk).update(state=JobState.ASSIGNED)
    pond.session = pond.begin()
    pond.turn_until(lambda: state_of(job) == "completed", "it to run")


def test_what_is_nobodys_is_stopped_and_forgotten(pond):
    [job] = pond.placed("sleep 60")
    pond.turn_until(lambda: state_of(job) == "running", "it to run")
    placement = Placement.objects.get(attempt__job=job)
    finish([PlacementOutcome(PlacementRef(placement.pk, str(placement.attempt.token)), EndReason.NODE_LOST)])
    pond.turn_until(lambda: not pond.control._known, "the stale attempt to be gone")


def test_what_was_deleted_by_hand_is_lost_with_words(pond, monkeypatch):
    monkeypatch.setattr(watching, "ABSENT_SECONDS", 0.2)
    [job] = pond.placed("sleep 60")
    pond.turn_until(lambda: state_of(job) == "running", "it to run")
    next((pond.folder / process_cluster.WANTED).iterdir()).unlink()
    pond.turn_until(lambda: state_of(job) == "pending", "it to be tried again")
    attempt = Attempt.objects.get(job=job)
    assert (attempt.end_reason, "somebody deleted it there" in attempt.message) == ("node_lost", True)


def test_one_that_is_cancelled_before_it_began_never_begins(pond):
    [job] = pond.placed("touch begun", on=("n1", "n2"))
    late = Placement.objects.get(attempt__job=job, rank=1)
    Placement.objects.filter(pk=late.pk).update(node=builders.node(name="elsewhere"))
    pond.turn()
    actions.cancel(job_id=job.pk, actor="ada")
    pond.turn_until(lambda: state_of(job) == "cancelled", "its end")
    assert not pond.control._known


def test_what_the_cluster_does_not_start_goes_back_in_line_at_nobodys_cost(pond, settings):
    settings.CLUSTER_START_SECONDS = 0.2
    pond.control.hold()
    [job] = pond.placed("true")
    pond.turn_until(lambda: state_of(job) == "pending", "it to go back in line")
    attempt, job = Attempt.objects.get(job=job), Job.objects.get(pk=job.pk)
    assert (attempt.end_reason, job.retries_used, job.platform_retries_used) == ("start_failed", 0, 0)
    assert attempt.message == "Cluster pond did not start it within 0.2 seconds."
    pond.turn_until(lambda: not pond.control._known, "the cluster to keep nothing of it")


def test_what_goes_wrong_with_one_workload_keeps_no_other_from_its_end(pond, monkeypatch):
    """An engine that fails with one: its output is told to be missing, and the others are reported as ever."""
    bad, good = pond.placed("echo bad", "echo good")
    read = ProcessEngine.read_log

    def fails_with_one(engine, name, rank, position):
        if name.startswith(f"ty-{bad.pk}-"):
            raise ValueError("no such pod")
        return read(engine, name, rank, position)

    monkeypatch.setattr(ProcessEngine, "read_log", fails_with_one)
    pond.turn_until(lambda: (state_of(bad), state_of(good)) == ("completed", "completed"), "both to end")
    assert b"output may be missing here" in bytes(Attempt.objects.get(job=bad).log_chunks.get().data)
    assert bytes(Attempt.objects.get(job=good).log_chunks.get().data) == b"good\n"


class Several(ProcessEngine):
    """Asked several things at once; a start of this name waits until it is let go."""

    slow = ""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.asks_at_once = 4
        self.asked, self.let_go = threading.Event(), threading.Event()

    def start(self, workload: Workload) -> None:
        if workload.name == self.slow:
            self.asked.set()
            assert self.let_go.wait(60)
        super().start(workload)


@pytest.fixture
def several(pond: Pond) -> Iterator[Several]:
    engine = Several(pond.folder)
    pond.session = ClusterSession(cluster=pond.row, agent_id=MINE, engine=engine, folder=pond.home)
    yield engine
    engine.let_go.set()
    pond.session._errands.close(wait=True)


def name_of(job: Job) -> str:
    attempt = Attempt.objects.get(job=job)
    return f"ty-{job.pk}-{attempt.number}-{str(attempt.token).replace('-', '')[:12]}"


def test_a_start_that_takes_long_holds_up_no_others_start_and_end(pond, several):
    [slow, quick] = pond.placed("true", "echo said")
    several.slow = name_of(slow)
    pond.turn_until(lambda: state_of(quick) == "completed", "the other one to complete")
    assert several.asked.is_set()
    assert state_of(slow) == "assigned"
    several.let_go.set()
    pond.turn_until(lambda: state_of(slow) == "completed", "the slow one to complete")
    pond.turn_until(lambda: pond.control._known == {}, "both to be forgotten")


def test_one_that_is_cancelled_while_the_cluster_is_asked_for_it_is_stopped_there(pond, several):
    [job] = pond.placed("sleep 60")
    several.slow = name_of(job)
    pond.turn_until(several.asked.is_set, "it to be asked for")
    actions.cancel(job_id=job.pk, actor="a test")
    pond.turn()
    assert state_of(job) == "assigned"  # nobody knows yet what becomes of it
    several.let_go.set()
    pond.turn_until(lambda: state_of(job) == "cancelled", "its end")
    pond.turn_until(lambda: pond.control._known == {}, "it to be forgotten")
