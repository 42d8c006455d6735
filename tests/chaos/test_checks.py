"""Each kind of wrong that a drill may show is found in a history made up for it; a good history shows none."""

from dataclasses import replace

import pytest

from chaos.checks import Wrong, check
from chaos.diaries import DiaryRun
from chaos.history import Attempted, Event, History, Placed, Printed, Recorded
from chaos.submitting import Accepted
from chaos.workload import Action, Kind, PlannedJob

ONE_LIFE = (
    Event("submitted", "", "pending"),
    Event("queued", "pending", "queued"),
    Event("claimed", "queued", "assigned"),
    Event("started", "assigned", "running"),
)
DONE = (*ONE_LIFE, Event("completed", "running", "completed"))
AGAIN = (*ONE_LIFE, Event("requeued", "running", "pending"), *DONE[1:])
FIRST = Attempted(1, "node_lost", 20.0, placements=[Placed("n1", 0, ("0",))])
SECOND = Attempted(2, "completed", 30.0, placements=[Placed("n2", 0, ("0",))])
LOST_RUN = DiaryRun(7, 1, 0, 10.0, 15.0, gpus=("0",))
GOOD_RUN = DiaryRun(7, 2, 0, 25.0, 29.0, code=0, lines=2, gpus=("0",))
JOB = Recorded(7, "completed", "completed", 0, attempts=[FIRST, SECOND], events=AGAIN)
LOGS = (Printed(7, 1, 0, b"7.1.0 1\n7.1.0 2\n7.1", [(0, 0, 10), (1, 10, 10)]), Printed(7, 2, 0, b"7.2.0 1\n7.2.0 2\n"))
GOOD = History(
    [Accepted(7, PlannedJob("a", 0, Kind.STEADY, 1))], {7: JOB}, [LOST_RUN, GOOD_RUN], LOGS, {"GPUs held": 0.0}
)


def with_job(**changes) -> History:
    return replace(GOOD, jobs={7: replace(JOB, **changes)})


def with_runs(*runs: DiaryRun) -> History:
    return replace(GOOD, runs=[*runs])


def with_log(text: bytes, *chunks: tuple[int, int, int]) -> History:
    return replace(GOOD, logs=[Printed(7, 2, 0, text, chunks)])


def planned(**changes) -> list[Accepted]:
    granted = changes.pop("granted", ())
    return [Accepted(7, replace(GOOD.accepted[0].plan, **changes), granted)]


BAD = {
    "a second agent that was not refused": (Wrong.TWIN, replace(GOOD, twins=["A second agent of n1 ended with None."])),
    "a job that nobody knows": (Wrong.LOST, replace(GOOD, jobs={})),
    "a job that still waits": (Wrong.LOST, with_job(state="pending", events=AGAIN[:6])),
    "a failure that should not be": (
        Wrong.WRONG_END,
        with_job(state="failed", events=(*AGAIN[:-1], Event("failed", "running", "failed"))),
    ),
    "a success that should not be": (Wrong.WRONG_END, replace(GOOD, accepted=planned(kind=Kind.FAILING))),
    "a success that never ran to its end": (
        Wrong.WRONG_END,
        with_runs(LOST_RUN, replace(GOOD_RUN, code=None, lines=None)),
    ),
    "a gang of which one member never ran": (Wrong.WRONG_END, replace(GOOD, accepted=planned(nodes=2))),
    "a job placed after it was cancelled": (
        Wrong.WRONG_END,
        with_job(events=(*AGAIN[:4], Event("cancel_requested", "", ""), *AGAIN[4:])),
    ),
    "a member started twice": (Wrong.DOUBLED, with_runs(LOST_RUN, GOOD_RUN, replace(GOOD_RUN, began=29.5, last=29.6))),
    "an end counted twice": (Wrong.DOUBLED, with_job(attempts=[replace(FIRST, end_reason="completed"), SECOND])),
    "two attempts at the same time": (Wrong.OVERLAPPING, with_runs(replace(LOST_RUN, last=25.1), GOOD_RUN)),
    "a run that outlived its attempt": (Wrong.OUTLIVED, with_runs(replace(LOST_RUN, last=21.0), GOOD_RUN)),
    "a run that nobody knows": (Wrong.OUTLIVED, with_runs(LOST_RUN, GOOD_RUN, DiaryRun(7, 3, 0, 40.0, 41.0))),
    "a GPU of another": (Wrong.GPU_TWICE, with_runs(LOST_RUN, replace(GOOD_RUN, gpus=("1",)))),
    "GPUs held at the end": (Wrong.DRIFT, replace(GOOD, held={"GPUs held": 1.0})),
    "a quota exceeded on the way": (Wrong.DRIFT, replace(GOOD, breaches=["quota: 9 CPUs of 8"])),
    "a log without its end": (Wrong.LOG_GAP, with_log(b"7.2.0 1\n")),
    "a log without its middle": (Wrong.LOG_GAP, with_log(b"7.2.0 2\n")),
    "a log of somebody else": (Wrong.LOG_GAP, with_log(b"8.1.0 1\n7.2.0 2\n")),
    "a piece that is missing": (Wrong.LOG_GAP, with_log(LOGS[1].text, (0, 0, 8), (2, 8, 8))),
    "a piece at the wrong place": (Wrong.LOG_GAP, with_log(LOGS[1].text, (0, 0, 8), (1, 9, 8))),
    "a killed run's log with a hole": (Wrong.LOG_GAP, replace(GOOD, logs=[Printed(7, 1, 0, b"7.1.0 1\n7.1.0 3\n")])),
    "a gap that needs an excuse": (
        Wrong.LOG_GAP,
        with_log(b"7.2.0 1\n[trainyard: something is missing here]\n7.2.0 2\n"),
    ),
    "a hole beside the gap that was told": (
        Wrong.LOG_GAP,
        replace(GOOD, logs=[Printed(7, 1, 0, b"7.1.0 1\n7.1.0 3\n[trainyard: more is missing]\n")]),
    ),
    "a move that is not allowed": (
        Wrong.HISTORY,
        with_job(events=(*ONE_LIFE[:1], Event("completed", "pending", "completed"))),
    ),
    "moves that do not follow": (Wrong.HISTORY, with_job(events=(*ONE_LIFE[:2], *DONE[3:]))),
    "a state without its event": (Wrong.HISTORY, with_job(events=AGAIN[:-1])),
    "an attempt left open": (Wrong.HISTORY, with_job(attempts=[FIRST, replace(SECOND, ended=None)])),
    "a process that is left": (Wrong.STRAY, replace(GOOD, strays=["4711 sleep"])),
    "a request that was refused": (Wrong.REFUSED, replace(GOOD, refused=["submit a: 500"])),
}


def test_nothing_is_wrong_with_a_good_history():
    assert check(GOOD) == []


@pytest.mark.parametrize("what", BAD)
def test_what_is_wrong_is_found(what):
    wrong, history = BAD[what]
    assert wrong in {finding.wrong for finding in check(history)}


def test_two_jobs_on_one_gpu_at_the_same_time_are_found():
    other = Recorded(8, "completed", attempts=[replace(SECOND, number=1)], events=DONE)
    run = replace(GOOD_RUN, job_id=8, attempt=1, began=28.0)
    history = replace(GOOD, jobs={7: JOB, 8: other}, runs=[LOST_RUN, GOOD_RUN, run])

    [finding] = check(history)

    assert (finding.wrong, finding.job_id) == (Wrong.GPU_TWICE, 8)


def test_a_cancelled_job_may_have_come_to_its_end_first():
    assert check(replace(GOOD, accepted=planned(granted=(Action.CANCEL,)))) == []


def test_a_job_that_was_requeued_after_its_end_may_complete_twice():
    twice = [replace(FIRST, end_reason="completed"), SECOND]
    events = (*DONE, Event("requeued", "completed", "pending"), *DONE[1:])
    runs = (replace(LOST_RUN, code=0, lines=2), GOOD_RUN)
    logs = [Printed(7, 1, 0, b"7.1.0 1\n7.1.0 2\n"), LOGS[1]]
    history = replace(GOOD, jobs={7: replace(JOB, attempts=twice, events=events)}, runs=runs, logs=logs)

    assert check(history) == []


def test_output_that_is_no_text_is_checked_by_its_numbers_alone():
    babble = replace(GOOD, accepted=planned(kind=Kind.BABBLER), logs=[Printed(7, 2, 0, b"\xff\n", [(0, 0, 2)])])

    assert check(babble) == []


def test_what_a_log_tells_of_itself_is_no_gap():
    killed = Printed(7, 1, 0, b"7.1.0 1\n7.1\n[trainyard: output may be missing here: the node fell silent]\n")
    full = Printed(7, 2, 0, b"7.2.0 1\n[trainyard: 9 bytes are missing here: the node's disk was full]\n0 4\n7.2.0 5\n")

    assert check(replace(GOOD, logs=[killed, full])) == []


def test_a_log_may_tell_that_its_beginning_is_missing():
    begins_late = Printed(
        7, 1, 0, b"[trainyard: 16 bytes of output are missing here: their file was removed]\n7.1.0 3\n"
    )

    assert check(replace(GOOD, logs=[begins_late, LOGS[1]])) == []
