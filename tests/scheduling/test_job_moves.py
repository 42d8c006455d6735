"""How far a move has come, by what became of its job's attempts."""

from dataclasses import replace

import hypothesis.strategies as st
import pytest
from hypothesis import given

from scheduling.job_moves import CANCELLABLE, OVER, MoveFacts, MoveState, NextAttempt, stage_of
from scheduling.lifecycle import EndReason, JobState

PATIENCE = 60.0
RUNS = MoveFacts(targets=("n2",), job_state=JobState.RUNNING)
WAITS = replace(RUNS, job_state=JobState.PENDING, end_reason="preempted", stopped_for=1.0)
PLACED = replace(WAITS, job_state=JobState.QUEUED, next=NextAttempt(("n2",)))


def stage(facts):
    return stage_of(facts, PATIENCE)


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        (RUNS, "stopping"),
        (WAITS, "stopped"),
        (PLACED, "placed"),
        (replace(PLACED, job_state=JobState.RUNNING, next=NextAttempt(("n2",), started=True)), "done"),
        (replace(PLACED, job_state=JobState.COMPLETED, next=NextAttempt(("n2",), True, "completed")), "done"),
    ],
)
def test_a_move_goes_from_its_stop_to_its_start(facts, state):
    assert (stage(facts).state, stage(facts).message) == (state, "")


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (replace(RUNS, gone=("n2",)), "Node n2 takes no jobs any more"),
        (replace(WAITS, gone=("n2",)), "Node n2 takes no jobs any more"),
        (replace(WAITS, stopped_for=61.0), "no place on n2 within 60 s"),
        (replace(PLACED, next=NextAttempt(("n3",), started=True)), "goes on on n3 instead of n2"),
        (
            replace(PLACED, job_state=JobState.PENDING, next=NextAttempt(("n2",), False, "node_lost")),
            "before it ran there",
        ),
    ],
)
def test_a_move_that_cannot_come_true_fails_and_says_why(facts, words):
    assert stage(facts).state == "failed"
    assert words in stage(facts).message


@pytest.mark.parametrize("state", [JobState.COMPLETED, JobState.CANCELLED, JobState.PAUSED, JobState.FAILED])
def test_a_job_that_ends_or_rests_instead_moves_nowhere(state):
    found = stage(replace(WAITS, job_state=state, end_reason="completed"))
    assert (found.state, f"The job is {state}" in found.message) == ("cancelled", True)


def test_a_job_that_leaves_a_drained_node_waits_for_room_as_long_as_it_takes():
    assert stage(replace(WAITS, targets=(), stopped_for=9e9)).state == "stopped"
    assert stage(replace(PLACED, targets=(), next=NextAttempt(("n7",), started=True))).state == "done"


facts = st.builds(
    MoveFacts,
    targets=st.sampled_from([(), ("n2",), ("n2", "n3")]),
    job_state=st.sampled_from(JobState),
    end_reason=st.sampled_from(["", *EndReason]),
    stopped_for=st.floats(0, 1e6),
    gone=st.sampled_from([(), ("n2",)]),
    next=st.none() | st.builds(NextAttempt, st.sampled_from([("n2",), ("n4",)]), st.booleans(), st.sampled_from(["", *EndReason])),
)  # fmt: skip


@given(facts)
def test_whatever_happens_it_is_under_way_or_over_and_over_says_why(facts):
    found = stage(facts)
    assert found.is_over == (found.state in OVER)
    assert bool(found.message) == (found.state in OVER - {MoveState.DONE})


@given(facts)
def test_who_has_stopped_and_has_a_target_never_waits_for_it_for_ever(facts):
    late = replace(facts, stopped_for=PATIENCE + 1)
    if late.targets and late.end_reason and late.next is None:
        assert stage(late).state in OVER


@given(facts)
def test_nothing_that_has_a_place_already_is_called_off(facts):
    assert facts.next is None or stage(facts).state not in CANCELLABLE
