"""What each state of Slurm's means for an attempt, with what the member's own shell has written down."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.slurm.records import ENDED_STATES, AccountedJob, SlurmJob
from executors.engine import Phase
from executors.slurm import observing, reasons
from executors.slurm.observing import FolderView
from executors.slurm.shared_folder import Ending
from scheduling.lifecycle import EndReason

NOTHING = FolderView()


def job(state, **fields):
    return SlurmJob(7, "ty-1", state, nodes=("n1",), start=100.0, end=fields.pop("end", 200.0), **fields)


def ending(reason, code, rank=0, moment=0.0, words=""):
    return Ending(reason, code, words, moment, rank)


@pytest.mark.parametrize(
    ("state", "endings", "reason", "charged"),
    [
        ("COMPLETED", [ending("exited", 0)], EndReason.COMPLETED, True),
        ("FAILED", [ending("exited", 3)], EndReason.EXIT_CODE, True),
        ("FAILED", [ending("start_failed", 127, words="no")], EndReason.START_FAILED, True),
        ("FAILED", [ending("timeout", 143)], EndReason.TIMEOUT, True),
        ("COMPLETED", [ending("timeout", 0)], EndReason.TIMEOUT, True),
        ("FAILED", [], EndReason.START_FAILED, False),
        ("TIMEOUT", [], EndReason.TIMEOUT, True),
        ("TIMEOUT", [ending("term", 143)], EndReason.TIMEOUT, True),
        ("DEADLINE", [], EndReason.TIMEOUT, True),
        ("OUT_OF_MEMORY", [ending("exited", 137)], EndReason.OUT_OF_MEMORY, True),
        ("NODE_FAIL", [], EndReason.NODE_LOST, True),
        ("BOOT_FAIL", [], EndReason.NODE_LOST, False),
        ("PREEMPTED", [], EndReason.PREEMPTED, False),
        ("PREEMPTED", [ending("term", 0)], EndReason.PREEMPTED, False),
        ("COMPLETED", [ending("term", 0)], EndReason.PREEMPTED, False),
        ("CANCELLED", [], EndReason.CANCELLED, True),
        ("CANCELLED", [ending("term", 143)], EndReason.CANCELLED, True),
        ("CANCELLED", [ending("term", 0)], EndReason.CANCELLED, True),
        ("CANCELLED", [ending("exited", 143)], EndReason.CANCELLED, True),
        ("CANCELLED", [ending("exited", 0)], EndReason.COMPLETED, True),
    ],
)
def test_an_end_has_a_reason(state, endings, reason, charged):
    seen = observing.ended(job(state), FolderView(tuple(endings), all_ended=bool(endings)))
    assert (seen.phase, seen.reason, seen.charged) == (Phase.ENDED, reason, charged)


def test_who_ends_at_slurms_warning_of_its_limit_has_run_out_of_time():
    seen = observing.ended(job("COMPLETED", limit_minutes=2, end=210.0), FolderView((ending("term", 0),)))
    assert seen.reason == EndReason.TIMEOUT


def test_a_cancellation_is_somebodys_or_slurms_own():
    by_hand = AccountedJob(job("CANCELLED"), killed_by="ada")
    assert observing.ended(job("CANCELLED"), NOTHING, by_hand).message.endswith("It was ada.")
    by_nobody = observing.ended(job("CANCELLED"), NOTHING, AccountedJob(job("CANCELLED")))
    assert (by_nobody.reason, by_nobody.charged) == (EndReason.NODE_LOST, False)


def test_who_is_cancelled_at_the_launch_had_a_number_twice_and_is_tried_again():
    never = FolderView(began=False)
    seen = observing.ended(job("CANCELLED"), never)
    assert (seen.reason, seen.charged) == (EndReason.NODE_LOST, False)
    waiting = SlurmJob(7, "ty-1", "CANCELLED", start=200.0, end=200.0)
    assert observing.ended(waiting, never).reason == EndReason.CANCELLED


def test_of_a_gang_that_somebody_cancels_a_member_that_was_done_does_not_speak_for_all():
    assert observing.ended(job("CANCELLED"), FolderView((ending("exited", 0),))).reason == EndReason.CANCELLED


def test_who_was_started_a_second_time_by_a_slurm_that_forgot_it_is_tried_again():
    forgotten, by_root = job("CANCELLED", submitted=80.0), "root"
    told = FolderView((ending("term", 143),), all_ended=True, waited_seconds=3.0)
    seen = observing.ended(forgotten, told, AccountedJob(forgotten, killed_by=by_root))
    assert (seen.reason, seen.charged) == (EndReason.NODE_LOST, False)
    assert "started it a second time" in seen.message
    for endings in ((), (ending("exited", 137),)):
        unsaid = replace(told, endings=endings, all_ended=bool(endings))
        refused = observing.ended(job("FAILED", submitted=80.0, exit_code=1), unsaid)
        assert (refused.reason, refused.charged) == (EndReason.NODE_LOST, False)
    by_itself = observing.ended(forgotten, replace(told, endings=(ending("exited", 3),)))
    assert (by_itself.reason, by_itself.exit_code) == (EndReason.EXIT_CODE, 3)
    for once in (
        replace(told, waited_seconds=20.0),
        replace(told, waited_seconds=300.0),
        replace(told, stop_asked=True),
    ):
        assert (
            observing.ended(forgotten, once, AccountedJob(forgotten, killed_by=by_root)).reason == EndReason.CANCELLED
        )


def test_a_node_that_does_not_see_the_folder_is_named_as_that():
    seen = observing.ended(job("FAILED", signal=53, reason="RaisedSignal:53(Real-time_signal_19)"), NOTHING)
    assert "is the shared folder mounted there" in seen.message


def test_of_a_gang_the_first_that_went_wrong_by_itself_is_named():
    endings = (ending("exited", 143, 0, 5.0), ending("exited", 9, 1, 6.0), ending("exited", 137, 2, 7.0))
    seen = observing.ended(job("FAILED", exit_code=9), FolderView(endings))
    assert (seen.rank, seen.exit_code) == (1, 9)


def test_what_slurm_has_lost_ends_as_its_own_shell_says_or_as_lost():
    said = observing.lost("ty-1", 7, FolderView((ending("exited", 4),), all_ended=True))
    assert (said.reason, said.exit_code) == (EndReason.EXIT_CODE, 4)
    killed = FolderView((ending("exited", 137),), all_ended=True)  # as an orphan, by its node
    for unsaid in (observing.lost("ty-1", 7, NOTHING), observing.lost("ty-1", 7, killed)):
        assert (unsaid.reason, unsaid.charged) == (EndReason.NODE_LOST, False)
    assert observing.lost("ty-1", 7, replace(killed, stop_asked=True)).stop_asked


@given(
    st.sampled_from(sorted(ENDED_STATES)),
    st.lists(
        st.tuples(st.sampled_from(["exited", "stop", "term", "timeout", "start_failed"]), st.integers(0, 255)),
        max_size=3,
    ),
    st.booleans(),
    st.booleans(),
)
def test_whatever_ended_has_a_reason_and_a_stop_is_never_forgotten(state, endings, all_ended, stop_asked):
    members = tuple(ending(reason, code, rank) for rank, (reason, code) in enumerate(endings))
    seen = observing.ended(
        job(state), FolderView(members, stop_asked=stop_asked, all_ended=all_ended and bool(members))
    )
    assert seen.phase == Phase.ENDED
    assert seen.reason is not None
    assert seen.stop_asked == stop_asked
    if seen.reason == EndReason.COMPLETED:
        assert state in {"COMPLETED", "FAILED"} or (state == "CANCELLED" and all_ended)
        assert all(code == 0 for reason, code in endings if reason == "exited")


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("QOSGrpGRES", "In Slurm's queue: QOSGrpGRES: the QOS has no GPUs left."),
        ("AssocGrpCpuLimit", "In Slurm's queue: AssocGrpCpuLimit: the account has no CPUs left."),
        ("Priority", "In Slurm's queue: Priority: other jobs are before it in Slurm's queue."),
        (
            "ReqNodeNotAvail, UnavailableNodes:n3",
            "In Slurm's queue: ReqNodeNotAvail: a node that it was placed on is not available",
        ),
        ("SomethingNew", "In Slurm's queue: SomethingNew."),
    ],
)
def test_a_reason_keeps_slurms_word_and_says_what_it_means(reason, words):
    assert reasons.sentence(reason).startswith(words)
