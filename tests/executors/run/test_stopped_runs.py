"""How an agent reports the end of a command that it stopped."""

from dataclasses import replace
from pathlib import Path

import pytest

from executors.run import state_files
from executors.run.placement_run import PlacementRun
from executors.run.saving import Before
from jobs.attempts.claims import PlacementSpec
from scheduling.lifecycle import EndReason
from workers.runtime.process import CommandResult


def run(*wishes):
    made = PlacementRun(
        PlacementSpec(
            placement_id=1, token="t", job_id=1, job_name="", attempt_id=1, attempt=1, project="", command=(),
            working_dir="", env={}, cpus=1, memory_mb=0, gpu_indices=(), max_runtime_seconds=None,
        ),
        Path("nowhere"),
        lease_deadline=0,
    )  # fmt: skip
    for wish in wishes:
        made.apply_desired(wish)
    return made


def outcome(reason, exit_code):
    return CommandResult(reason, exit_code, "", started_at=1.0, ended_at=2.0)


@pytest.mark.parametrize(
    ("wishes", "exit_code", "reason", "asked"),
    [
        (["preempt"], 0, "preempted", True),
        (["preempt"], 143, "preempted", True),
        (["preempt"], None, "preempted", True),
        (["preempt", "preempt"], 0, "preempted", True),
        (["requeue"], 0, "preempted", False),
        (["requeue", "preempt"], 0, "preempted", False),
        (["cancel"], 0, "cancelled", False),
        (["pause"], 0, "paused", True),
        (["pause"], 143, "paused", True),
        (["pause", "requeue"], 143, "paused", True),
        (["pause", "cancel"], 0, "cancelled", False),
        (["cancel", "pause"], 0, "cancelled", False),
        (["suspend", "pause"], 143, "paused", True),
    ],
)
def test_what_was_told_to_stop_ends_for_that_reason_whatever_it_exits_with(wishes, exit_code, reason, asked):
    ending = run(*wishes).outcome(outcome("stopped", exit_code))

    assert (ending.reason, ending.asked) == (reason, asked)


@pytest.mark.parametrize(("exit_code", "reason"), [(0, "completed"), (1, "exit_code")])
def test_a_command_that_had_ended_before_the_signal_ended_by_itself(exit_code, reason):
    ending = run("preempt").outcome(outcome("exited", exit_code))

    assert (ending.reason, ending.asked) == (reason, False)


def test_an_unknown_wish_is_left_undone():
    assert run("dance", "preempt").outcome(outcome("stopped", 143)).reason == "preempted"


class ToldShim:
    """Remembers what it was told."""

    def __init__(self, *, suspended: bool = False) -> None:
        self.told: list[object] = []
        self.suspended = suspended

    def renew(self, _deadline: float) -> None:
        pass

    def suspend(self) -> None:
        self.told.append("suspend")

    def go_on(self) -> None:
        self.told.append("go on")

    def stop(self, grace_seconds: float | None) -> None:
        self.told.append(grace_seconds)


def test_a_suspension_is_told_once_and_so_is_its_end():
    shim, one = ToldShim(), run()
    one.attach(shim)
    for wish in ("", "suspend", "suspend", "", ""):
        one.apply_desired(wish)

    assert (shim.told, one.suspended) == (["suspend", "go on"], False)


def test_what_was_wished_before_the_command_was_there_is_told_then():
    shim, one = ToldShim(), run("suspend")
    one.attach(shim)

    assert (shim.told, one.suspended) == (["suspend"], True)


def test_a_restarted_agent_finds_a_suspended_command_suspended_and_may_let_it_go_on():
    shim, one = ToldShim(suspended=True), run()
    one.attach(shim)
    assert one.suspended

    one.apply_desired("")
    assert (shim.told[-1], one.suspended) == ("go on", False)


def test_a_cancellation_brings_the_end_of_a_pause_forward(settings):
    shim, one = ToldShim(), run()
    one.attach(shim)
    for wish in ("pause", "cancel", "cancel", "suspend"):
        one.apply_desired(wish)

    assert shim.told == [settings.PREEMPT_GRACE_SECONDS, settings.KILL_GRACE_SECONDS]


@pytest.mark.parametrize(
    ("own", "wish", "grace"),
    [(600, "pause", 600), (600, "preempt", 600), (600, "requeue", 600), (5, "pause", 5), (9000, "pause", 1800), (600, "cancel", 30)],
)  # fmt: skip
def test_a_job_has_the_grace_that_it_asked_for_within_the_operator_s_limit(own, wish, grace):
    shim, one = ToldShim(), run()
    one.claimed = replace(one.claimed, grace_seconds=own)
    one.attach(shim)
    one.apply_desired(wish)

    assert shim.told == [grace]


def test_the_next_agent_knows_what_was_saved_when_the_command_was_told_to_stop(tmp_path):
    state_files.note_stop(tmp_path, EndReason.PAUSED, gives_way=True, before=Before(12.5, 7))
    assert state_files.read_stop(tmp_path) == (EndReason.PAUSED, True, Before(12.5, 7))
