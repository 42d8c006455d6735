"""A job whose own files somebody deleted may fail over that, and its log may say so; nothing else is excused by it."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

from chaos import report
from chaos.checks import Wrong, check
from chaos.diaries import DiaryRun, read
from chaos.fault_kinds import FaultKind
from chaos.fault_plan import Fault
from chaos.history import Attempted, Event, History, Placed, Printed, Recorded, Robbed
from chaos.injections import folders
from chaos.injections.undoing import CannotBeDoneError
from chaos.submitting import Accepted
from chaos.workload import SCRIPT, Kind, PlannedJob

WORDS = b"""Traceback (most recent call last):
  File "/checkout/chaos/job.py", line 63, in save
    with open(draft, "w", encoding="ascii") as file:
FileNotFoundError: [Errno 2] No such file or directory: '/drill/home/jobs/7/checkpoints/tick.42'
"""
ATTEMPT = Attempted(1, "exit_code", 20.0, "The command ended with exit code 1.", [Placed("n1", 0, ())])
EVENTS = (
    Event("submitted", "", "pending"),
    Event("queued", "pending", "queued"),
    Event("claimed", "queued", "assigned"),
    Event("started", "assigned", "running"),
    Event("failed", "running", "failed"),
)
JOB = Recorded(7, "failed", "exit_code", 1, attempts=[ATTEMPT], events=EVENTS)
RUN = DiaryRun(7, 1, 0, 10.0, 15.0)
LOG = Printed(7, 1, 0, b"7.1.0 1\n7.1.0 2\n" + WORDS)
ROBBED = History(
    [Accepted(7, PlannedJob("a", 0, Kind.CHECKPOINTING, 1))],
    {7: JOB},
    [RUN],
    [LOG],
    robbed=[Robbed(7, 1, "/drill/n1", own_files=True, at=14.9)],
)


def found(history: History) -> dict[Wrong, bool]:
    """What was found, and whether it has an excuse."""
    return {finding.wrong: bool(finding.excuse) for finding in check(history)}


def test_that_a_robbed_job_fails_and_says_so_is_excused_and_told(capsys):
    assert found(ROBBED) == {Wrong.WRONG_END: True, Wrong.LOG_GAP: True}
    data = report.as_data(ROBBED, check(ROBBED), (), 1.0, {"seed": 1})
    report.show(data)

    assert report.passed(data)
    assert (data["wrong"][Wrong.WRONG_END], data["wrong"][Wrong.LOG_GAP]) == (0, 0)
    told = capsys.readouterr().out
    assert "excused: wrong end, job 7: checkpointing ended as failed exit_code" in told
    assert told.count("somebody had deleted what attempt 1 worked with") == 2


def test_a_job_that_could_not_enter_its_folder_any_more_is_excused():
    message = "cannot enter working directory '/drill/home/jobs/7/outputs/1': No such file or directory"
    attempt = replace(ATTEMPT, end_reason="start_failed", message=message)
    job = replace(JOB, end_reason="start_failed", exit_code=None, attempts=[attempt])

    assert found(replace(ROBBED, jobs={7: job}, runs=[], logs=[])) == {Wrong.WRONG_END: True}


def test_with_what_its_node_keeps_of_it_a_job_loses_the_way_to_its_files():
    """Its /tmp lies there: a drill's folders, and all that lies below /tmp, are seen through it."""
    text = LOG.text.replace(b"/drill/home/jobs/7/checkpoints/tick.42", b"/drill")
    told = b"[trainyard: output may be missing here: the process that wrote them down was killed]\n"
    robbed = [replace(ROBBED.robbed[0], own_files=False)]

    assert found(replace(ROBBED, logs=[replace(LOG, text=text + told)], robbed=robbed)) == {
        Wrong.WRONG_END: True,
        Wrong.LOG_GAP: True,
    }


def flaky(*reasons: str, code: int, robbed: int) -> History:
    """A flaky job with such attempts, of which that one was robbed of its own files; nothing of their logs is looked at."""
    attempts = [replace(ATTEMPT, number=number, end_reason=reason) for number, reason in enumerate(reasons, start=1)]
    events = EVENTS[:4] + (Event("requeued", "running", "pending"), *EVENTS[1:4]) * (len(reasons) - 1) + EVENTS[4:]
    job = replace(JOB, exit_code=code, attempts=attempts, events=events)
    runs = [DiaryRun(7, one.number, 0, 10.0, 11.0) for one in attempts[:1]]
    accepted = [Accepted(7, PlannedJob("a", 0, Kind.FLAKY, 1, retries=2))]
    return replace(
        ROBBED, accepted=accepted, jobs={7: job}, runs=runs, logs=[], robbed=[replace(ROBBED.robbed[0], attempt=robbed)]
    )


def test_a_flaky_job_that_was_robbed_of_what_it_knew_may_fail_once_more():
    three = ("exit_code", "exit_code", "exit_code")

    assert found(flaky(*three, code=3, robbed=2)) == {Wrong.WRONG_END: True}
    assert found(replace(flaky(*three, code=3, robbed=2), robbed=[])) == {Wrong.WRONG_END: False}
    assert found(flaky(*three, "exit_code", code=3, robbed=2)) == {Wrong.WRONG_END: False}, "more than that"
    assert found(flaky(*three, code=1, robbed=2)) == {Wrong.WRONG_END: False}, "by something else"


BOTH = {Wrong.WRONG_END: False, Wrong.LOG_GAP: False}
UNEXCUSED = {
    "nobody robbed it": (replace(ROBBED, robbed=[]), BOTH),
    "another job was robbed": (replace(ROBBED, robbed=[replace(ROBBED.robbed[0], job_id=8)]), BOTH),
    "another attempt was robbed": (replace(ROBBED, robbed=[replace(ROBBED.robbed[0], attempt=2)]), BOTH),
    "it was robbed when the attempt was over": (replace(ROBBED, robbed=[replace(ROBBED.robbed[0], at=20.1)]), BOTH),
    "a folder around its own is gone, which it had not lost": (
        replace(
            ROBBED, logs=[replace(LOG, text=LOG.text.replace(b"/drill/home/jobs/7/checkpoints/tick.42", b"/drill"))]
        ),
        BOTH,
    ),
    "it names the files of another job": (
        replace(ROBBED, logs=[replace(LOG, text=LOG.text.replace(b"/jobs/7/", b"/jobs/77/"))]),
        BOTH,
    ),
    "it failed over something else": (
        replace(ROBBED, logs=[replace(LOG, text=LOG.text.replace(b"FileNotFoundError: [Errno 2]", b"ValueError:"))]),
        BOTH,
    ),
    "its log does not tell why": (
        replace(ROBBED, logs=[replace(LOG, text=b"7.1.0 1\n7.1.0 2\n")]),
        {Wrong.WRONG_END: False},
    ),
    "a hole before its last words": (
        replace(ROBBED, logs=[replace(LOG, text=b"7.1.0 1\n7.1.0 3\n" + WORDS)]),
        {Wrong.WRONG_END: True, Wrong.LOG_GAP: False},
    ),
    "a piece that is missing": (
        replace(ROBBED, logs=[replace(LOG, chunks=[(0, 0, 8), (2, 8, 8)])]),
        {Wrong.WRONG_END: True, Wrong.LOG_GAP: False},
    ),
    "the platform gave it another end": (
        replace(ROBBED, jobs={7: replace(JOB, attempts=[replace(ATTEMPT, end_reason="timeout")])}),
        {Wrong.WRONG_END: False, Wrong.LOG_GAP: True},
    ),
    "it ended with another code": (
        replace(ROBBED, jobs={7: replace(JOB, exit_code=137)}),
        {Wrong.WRONG_END: False, Wrong.LOG_GAP: True},
    ),
}


@pytest.mark.parametrize("what", UNEXCUSED)
def test_nothing_else_is_excused(what):
    history, findings = UNEXCUSED[what]

    assert found(history) == findings
    assert not report.passed(report.as_data(history, check(history), (), 1.0, {}))


def test_a_later_attempt_that_fails_has_no_excuse_of_an_earlier_one():
    lost = replace(ATTEMPT, end_reason="node_lost")
    second = replace(ATTEMPT, number=2, ended=30.0)
    again = (*EVENTS[:4], Event("requeued", "running", "pending"), *EVENTS[1:])
    job = replace(JOB, attempts=[lost, second], events=again)
    runs = [RUN, DiaryRun(7, 2, 0, 21.0, 25.0)]
    logs = [replace(LOG, text=b"7.1.0 1\n"), replace(LOG, attempt=2, text=b"7.2.0 1\n" + WORDS)]

    assert found(replace(ROBBED, jobs={7: job}, runs=runs, logs=logs)) == BOTH


def test_a_real_job_that_is_robbed_says_what_is_looked_for(tmp_path):
    """The words are those of Python; the race is that of the drill, run until the job loses it."""
    diaries, own = tmp_path / "diaries", tmp_path / "jobs" / "7"
    diaries.mkdir()
    environment = {
        "TRAINYARD_JOB_ID": "7",
        "TRAINYARD_ATTEMPT": "1",
        "TRAINYARD_CHECKPOINT_DIR": str(own / "checkpoints"),
    }
    command = [sys.executable, "-S", "-I", str(SCRIPT), "checkpointing", "60", str(diaries), "0.0001"]
    with subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as job:
        while job.poll() is None:
            shutil.rmtree(own, ignore_errors=True)
        assert job.stdout is not None
        text = job.stdout.read()
    assert job.returncode == 1, text[-2000:]
    [run] = read(diaries)
    robbed = [Robbed(7, 1, str(tmp_path), own_files=True, at=run.began)]

    history = replace(ROBBED, runs=[run], logs=[replace(LOG, text=text)], robbed=robbed)
    ended = replace(JOB, attempts=[replace(ATTEMPT, ended=run.last + 1)])

    assert found(replace(history, jobs={7: ended})) == {Wrong.WRONG_END: True, Wrong.LOG_GAP: True}


@pytest.fixture
def node(tmp_path):
    """One node, with a job that runs on it as attempt 3."""
    attempt = tmp_path / "n1" / "nodes" / "n1" / "attempts" / "12"
    attempt.mkdir(parents=True)
    (attempt / "status.json").write_text("{}")
    (attempt / "claim.json").write_text(json.dumps({"claimed": {"job_id": 7, "attempt": 3}}))
    home = tmp_path / "home"
    (home / "jobs" / "7" / "checkpoints").mkdir(parents=True)
    return SimpleNamespace(machines=[SimpleNamespace(home=tmp_path / "n1")], home=home, robbed=[]), attempt


ROBBERY = Fault(0, 0.0, FaultKind.DISK_ROBBED, 0.0, node=0, draw=0.1)


@pytest.mark.parametrize("own_files", [True, False])
def test_it_is_noted_whose_files_were_deleted(node, own_files, monkeypatch, capsys):
    stack, attempt = node
    monkeypatch.setattr(folders, "ITS_ATTEMPT", 0.0 if own_files else 1.0)
    folders.rob(stack, ROBBERY)
    [robbed] = stack.robbed

    assert (robbed.job_id, robbed.attempt, robbed.own_files) == (7, 3, own_files)
    assert (robbed.home, robbed.at > 0) == (str(stack.machines[0].home), True)
    assert (attempt.exists(), (stack.home / "jobs" / "7").exists()) == (own_files, not own_files)
    assert "attempt 3 of job 7 has lost" in capsys.readouterr().out


def test_what_nobody_can_name_is_not_robbed(node):
    stack, attempt = node
    (attempt / "claim.json").unlink()
    with pytest.raises(CannotBeDoneError):
        folders.rob(stack, ROBBERY)

    assert (stack.robbed, attempt.exists(), (stack.home / "jobs" / "7").exists()) == ([], True, True)
