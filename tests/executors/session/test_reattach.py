"""What an agent finds of the one before it: it goes on with what is its own, and loses no end and no claim."""

import json
import uuid
from datetime import timedelta

import pytest
from django.conf import settings
from django.db.models.functions import Now

from executors.run import state_files
from executors.run.measured import Measured
from executors.session import reattach
from jobs.attempts import claims
from jobs.models import Job, JobEvent, Placement
from jobs.state.outcome import PlacementOutcome, PlacementRef
from quotas.clock import database_now
from scheduling.lifecycle import EndReason, JobState, PlacementState
from tests import builders
from tests.waiting import wait_for
from tests.workers.launching import Launcher, launcher
from workers.runtime import process_tree
from workers.runtime.process import Shim

pytestmark = pytest.mark.django_db
AGENT = uuid.uuid4()


@pytest.fixture
def start(tmp_path):
    yield from launcher(tmp_path / "elsewhere")


@pytest.fixture
def node():
    return builders.node(name="n1", agent_id=AGENT)


@pytest.fixture
def attempts(tmp_path):
    (tmp_path / "attempts").mkdir()
    return tmp_path / "attempts"


def claimed(node, **fields) -> claims.PlacementSpec:
    job = builders.job(state=JobState.QUEUED, **fields)
    row = builders.placement(attempt=builders.attempt(job=job), node=node)
    [won] = claims.claim([PlacementRef(row.pk, str(row.attempt.token))], node_id=node.pk, agent_id=AGENT)
    return won


def left_behind(start: Launcher, attempts, claim: claims.PlacementSpec, script: str = "sleep 60") -> Shim:
    """As its agent left it: the command runs, or has ended, under its shim."""
    folder = attempts / str(claim.placement_id)
    folder.mkdir()
    state_files.write_claim(folder, claim)
    return start.sh(script, folder=folder).started().shim


def take_over(node, attempts):
    return reattach.reattach_runs(attempts, node_id=node.pk, agent_id=AGENT)


def test_what_runs_goes_on_with_as_much_time_as_the_database_gave_it(start, node, attempts):
    claim = claimed(node)
    left_behind(start, attempts, claim)
    Placement.objects.update(lease_expires_at=Now() - timedelta(seconds=1))

    [left] = take_over(node, attempts)

    assert (left.run.claimed, left.shim is not None, left.ending) == (claim, True, None)
    until = Placement.objects.get().lease_expires_at - database_now()
    assert timedelta(0) < until <= timedelta(seconds=settings.LEASE_SECONDS)
    assert JobEvent.objects.get(kind="adopted").job_id == claim.job_id


def test_what_it_used_under_the_earlier_agent_is_not_forgotten(start, node, attempts):
    claim = claimed(node)
    shim = left_behind(start, attempts, claim)
    earlier = Measured(1)
    earlier.add_cpu(50.0)
    earlier.keep(shim.folder)

    [left] = take_over(node, attempts)

    assert (left.run.measured.cpu_joules, left.run.measured.recalled) == (50.0, True)


def test_of_what_was_not_launched_yet_nothing_was_missed(node, attempts):
    claim = claimed(node)
    folder = attempts / str(claim.placement_id)
    folder.mkdir()
    state_files.write_claim(folder, claim)

    [left] = take_over(node, attempts)

    assert not left.run.measured.recalled


def test_a_command_of_a_stale_attempt_is_stopped_and_changes_nothing(start, node, attempts):
    claim = claimed(node)
    shim = left_behind(start, attempts, claim)
    Placement.objects.update(state=PlacementState.CLOSED, closed_at=Now())
    before = Job.objects.values().get()

    assert take_over(node, attempts) == []

    assert process_tree.members(shim.folder, shim.status()) == []
    assert Job.objects.values().get() == before
    assert not any(attempts.iterdir())


def test_under_a_new_name_the_old_one_s_job_is_stopped_and_goes_back_in_line_at_once(start, node, attempts):
    claim = claimed(builders.node(name="old", agent_id=AGENT))
    shim = left_behind(start, attempts, claim)

    assert take_over(node, attempts) == []

    assert process_tree.members(shim.folder, shim.status()) == []
    job = Job.objects.get()
    assert (job.state, job.retries_used, job.platform_retries_used) == ("pending", 0, 1)
    assert "another name" in JobEvent.objects.get(kind="requeued").message


def restarted(attempts) -> None:
    """The machine, as far as its agent can tell."""
    for path in attempts.glob("*/claim.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"boot_id": "another"}))


def test_after_a_restart_of_the_machine_what_ran_is_lost_and_said_at_once(start, node, attempts):
    left_behind(start, attempts, claimed(node))
    restarted(attempts)

    [left] = take_over(node, attempts)

    assert (left.ending.reason, left.ending.message) == (EndReason.NODE_LOST, reattach.RESTARTED)


def test_a_command_that_ended_before_the_machine_did_ended_as_it_did(start, node, attempts):
    shim = left_behind(start, attempts, claimed(node), "exit 7")
    wait_for(lambda: (shim.status() or {}).get("phase") == "ended", 10, "the command to end")
    restarted(attempts)

    [left] = take_over(node, attempts)

    assert (left.ending.reason, left.ending.exit_code) == (EndReason.EXIT_CODE, 7)


def test_a_claim_whose_launch_was_not_begun_is_begun_now(node, attempts):
    claim = claimed(node)
    (attempts / str(claim.placement_id)).mkdir()
    state_files.write_claim(attempts / str(claim.placement_id), claim)

    [left] = take_over(node, attempts)

    assert (left.run.claimed, left.is_under_way) == (claim, False)


def test_a_claim_that_left_nothing_behind_goes_back_in_line_for_free(node, attempts):
    claimed(node)

    assert take_over(node, attempts) == []

    job = Job.objects.get()
    assert (job.state, job.retries_used, job.platform_retries_used) == ("pending", 0, 0)
    assert Placement.objects.get().state == PlacementState.CLOSED


def test_a_claim_of_another_machine_s_agent_of_that_name_is_left_to_its_lease(node, attempts):
    claimed(node)
    Placement.objects.update(claimed_by=uuid.uuid4())

    take_over(node, attempts)

    assert Placement.objects.get().state == PlacementState.CLAIMED


def test_an_end_that_nobody_was_told_of_is_reported_as_it_was(start, node, attempts):
    claim = claimed(node)
    shim = left_behind(start, attempts, claim, "exit 0")
    ending = PlacementOutcome(claim.ref, EndReason.STALLED, 143, "said by the agent before", database_now(), asked=True)
    state_files.write_outcome(shim.folder, ending)

    [left] = take_over(node, attempts)

    assert left.ending == ending


def test_why_a_command_was_being_stopped_is_not_forgotten(start, node, attempts):
    shim = left_behind(start, attempts, claimed(node), "trap 'exit 143' TERM; while :; do sleep 0.05; done")
    state_files.note_stop(shim.folder, EndReason.STALLED, gives_way=False)

    [left] = take_over(node, attempts)
    left.run.attach(left.shim)

    assert left.run.outcome(left.shim.wait(15)).reason == EndReason.STALLED


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', '{"claimed": {"command": 3}}', "null"])
def test_a_folder_that_cannot_be_read_is_removed(node, attempts, text):
    (attempts / "17").mkdir()
    (attempts / "17" / "claim.json").write_text(text)

    assert take_over(node, attempts) == []
    assert not any(attempts.iterdir())


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"ticket": 1}', '{"reason": "unheard of"}'])
def test_words_that_were_cut_off_are_as_if_unsaid(tmp_path, text):
    for name in (state_files.ENDING, state_files.STOP, state_files.CLAIM):
        (tmp_path / name).write_text(text)

    assert (state_files.read_outcome(tmp_path), state_files.read_stop(tmp_path)) == (None, None)
    assert state_files.read_claim(tmp_path) is None


def test_a_full_disk_does_not_keep_an_end_from_being_reported(tmp_path):
    state_files.write_outcome(tmp_path / "gone", PlacementOutcome(PlacementRef(1, "t"), EndReason.COMPLETED))
    state_files.note_stop(tmp_path / "gone", EndReason.STALLED, gives_way=False)


def test_what_an_older_agent_claimed_is_read_too(tmp_path, node):
    claim = claimed(node)
    (tmp_path / "claim.json").write_text(json.dumps(state_files.claim_as_data(claim)))

    assert state_files.read_claim(tmp_path) == (claim, False)
