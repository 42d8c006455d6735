"""What a drill proves: each check looks at the history of a run and says what should not be in it.

Values in, findings out. The platform is believed in nothing that the jobs' diaries can tell.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise

from chaos import robberies
from chaos.books.checks import wrong
from chaos.diaries import DiaryRun
from chaos.history import Attempted, History, Placed, Printed, Recorded
from chaos.submitting import Accepted
from chaos.workload import Action, Kind
from scheduling.lifecycle import TERMINAL_STATES, EndReason, JobState, may_move

CLOCK_SECONDS = 0.25
"""By so much a moment of the database's clock may be off when it is read as one of the monotonic clock."""
UNREADABLE = frozenset({Kind.MUTE, Kind.BABBLER})
EXIT_CODE = 3
MARK = b"[trainyard"
"""So begins a line in a log that is the platform's own."""
EXCUSES = (b"disk was full", b"file on the node was removed")
"""What may be missing from the log of a command that ended by itself, if the log says so: faults do both."""


class Wrong(StrEnum):
    """What can go wrong."""

    LOST = "lost"
    DOUBLED = "doubled"
    OVERLAPPING = "overlapping"
    WRONG_END = "wrong end"
    OUTLIVED = "outlived its attempt"
    GPU_TWICE = "GPU held twice"
    DRIFT = "drift"
    LOG_GAP = "log gaps"
    HISTORY = "illegal histories"
    STRAY = "stray processes"
    REFUSED = "refused"
    TWIN = "second agents"
    BOOKS = "books"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that should not be, about a job or, with 0, about all."""

    wrong: Wrong
    job_id: int
    sentence: str
    excuse: str = ""
    """What the drill itself did that explains it: then it is told, and breaks nothing."""


def check(history: History) -> list[Finding]:
    """Everything that is wrong; the drill was passed when all of it has an excuse."""
    return [finding for one in CHECKS for finding in one(history)]


def lost(history: History) -> Iterator[Finding]:
    """A job that was taken and has not ended, although everything has been well for long."""
    for accepted in history.accepted:
        job = history.jobs.get(accepted.job_id)
        if job is None:
            yield Finding(Wrong.LOST, accepted.job_id, "The platform does not know it.")
        elif job.state not in TERMINAL_STATES:
            yield Finding(Wrong.LOST, job.job_id, f"It is still {job.state}: {_brief(job)}")


def wrong_ends(history: History) -> Iterator[Finding]:
    """A job that ended otherwise than it should, or that is said to have completed and did not run to its end."""
    finished = {(run.job_id, run.attempt, run.rank) for run in history.runs if run.code == 0}
    for accepted, job in _pairs(history):
        if job.state in TERMINAL_STATES and job.state not in _right_ends(accepted):
            sentence, excuse = (
                f"{accepted.plan.kind} ended as {_brief(job)}",
                robberies.excuse_of_end(history, accepted, job),
            )
            yield Finding(Wrong.WRONG_END, job.job_id, sentence, excuse)
        if job.state == JobState.FAILED and accepted.plan.kind == Kind.FAILING and job.exit_code != EXIT_CODE:
            sentence = f"It exits with 3, and failed by {job.end_reason}."
            yield Finding(Wrong.WRONG_END, job.job_id, sentence, robberies.excuse_of_end(history, accepted, job))
        for attempt in job.attempts:
            ranks = range(accepted.plan.nodes) if attempt.end_reason == EndReason.COMPLETED else ()
            for rank in ranks:
                if (job.job_id, attempt.number, rank) not in finished:
                    sentence = f"Attempt {attempt.number} completed, and rank {rank} did not run to its end."
                    yield Finding(Wrong.WRONG_END, job.job_id, sentence)


def _right_ends(accepted: Accepted) -> set[str]:
    """By itself it fails or completes; a cancelled one may have come to its end first."""
    own = JobState.FAILED if accepted.plan.kind == Kind.FAILING else JobState.COMPLETED
    return {own, JobState.CANCELLED} if Action.CANCEL in accepted.granted else {own}


def doubled(history: History) -> Iterator[Finding]:
    """A member of an attempt that was started twice, and an end that was counted twice."""
    starts = Counter((run.job_id, run.attempt, run.rank) for run in history.runs)
    for (job_id, attempt, rank), count in starts.items():
        if count > 1:
            yield Finding(Wrong.DOUBLED, job_id, f"Rank {rank} of attempt {attempt} was started {count} times.")
    for job in history.jobs.values():
        lives = 1 + sum(event.old in TERMINAL_STATES and event.new == JobState.PENDING for event in job.events)
        ends = sum(attempt.end_reason == EndReason.COMPLETED for attempt in job.attempts)
        if ends > lives:
            yield Finding(Wrong.DOUBLED, job.job_id, f"It completed {ends} times.")


def after_cancelling(history: History) -> Iterator[Finding]:
    """A job that was placed again although somebody had cancelled it."""
    for job in history.jobs.values():
        cancelled = False
        for event in job.events:
            if cancelled and event.new == JobState.QUEUED:
                yield Finding(Wrong.WRONG_END, job.job_id, "It was placed after it had been cancelled.")
            owner_again = event.old in TERMINAL_STATES
            cancelled = (cancelled or event.kind == "cancel_requested") and not owner_again


def overlapping(history: History) -> Iterator[Finding]:
    """Two attempts of a job of which both showed a sign of life at the same time."""
    for job_id, runs in _by_job(history.runs).items():
        spans = _spans(runs)
        for (first, (_, last)), (second, (began, _)) in pairwise(sorted(spans.items())):
            if began < last:
                sentence = f"Attempt {second} began {last - began:.2f} s before attempt {first} was over."
                yield Finding(Wrong.OVERLAPPING, job_id, sentence)


def _spans(runs: Iterable[DiaryRun]) -> dict[int, tuple[float, float]]:
    """The first and the last sign of life of each attempt."""
    spans: dict[int, tuple[float, float]] = {}
    for run in runs:
        began, last = spans.get(run.attempt, (run.began, run.last))
        spans[run.attempt] = (min(began, run.began), max(last, run.last))
    return spans


def outlived(history: History) -> Iterator[Finding]:
    """A run that nobody knows of, and one that went on after the platform had closed its attempt."""
    for run in history.runs:
        attempt = _attempt_of(run, history.jobs)
        if attempt is None:
            yield Finding(Wrong.OUTLIVED, run.job_id, f"It ran as attempt {run.attempt}, which nobody knows of.")
        elif attempt.ended is not None and run.last > attempt.ended + CLOCK_SECONDS:
            after = run.last - attempt.ended
            sentence = f"Attempt {run.attempt} ({attempt.end_reason}) went on for {after:.2f} s after its end."
            yield Finding(Wrong.OUTLIVED, run.job_id, sentence)


def gpus_allocated_twice(history: History) -> Iterator[Finding]:
    """Two runs that saw the same GPU of a node at the same time; and one that saw others than it was given."""
    seen: dict[tuple[str, str], list[DiaryRun]] = defaultdict(list)
    for run in history.runs:
        placed = _placed(run, history.jobs)
        if placed is None:
            continue
        if set(placed.gpus) != set(run.gpus):
            sentence = f"It was given the GPUs {placed.gpus} of {placed.node} and saw {run.gpus}."
            yield Finding(Wrong.GPU_TWICE, run.job_id, sentence)
        for gpu in run.gpus:
            seen[placed.node, gpu].append(run)
    for (node, gpu), runs in seen.items():
        for one, other in pairwise(sorted(runs, key=lambda run: run.began)):
            if other.began < one.last:
                sentence = (
                    f"GPU {gpu} of {node} was that of job {one.job_id} until {one.last - other.began:.2f} s later."
                )
                yield Finding(Wrong.GPU_TWICE, other.job_id, sentence)


def drift(history: History) -> Iterator[Finding]:
    """What is still held when nothing runs, and what was held beyond a limit while it ran."""
    for what, amount in history.held.items():
        if amount:
            yield Finding(Wrong.DRIFT, 0, f"{what}: {amount:g} at the end.")
    for breach in history.breaches:
        yield Finding(Wrong.DRIFT, 0, breach)


def log_gaps(history: History) -> Iterator[Finding]:
    """Output that is not what the job printed: all of it if it ended by itself, the beginning of it if it was killed."""
    runs = {(run.job_id, run.attempt, run.rank): run for run in history.runs}
    kinds = {accepted.job_id: accepted.plan.kind for accepted in history.accepted}
    for log in history.logs:
        problem, excuse = _broken_numbers(log), ""
        run = runs.get((log.job_id, log.attempt, log.rank))
        if not problem and run is not None and kinds.get(log.job_id) not in UNREADABLE:
            attempt = _attempt_of(run, history.jobs)
            problem = _broken_text(log, run, attempt)
            text, excuse = robberies.excused_output(history, log, attempt)
            if problem and excuse and _broken_text(replace(log, text=text), run, attempt):
                excuse = ""  # more is wrong with it than how it ends
        if problem:
            yield Finding(Wrong.LOG_GAP, log.job_id, f"Attempt {log.attempt}, rank {log.rank}: {problem}", excuse)


def _broken_numbers(log: Printed) -> str:
    offset = 0
    for expected, (number, begins, length) in enumerate(sorted(log.chunks)):
        if (number, begins) != (expected, offset):
            return f"piece {number} begins at {begins}, where piece {expected} should begin at {offset}"
        offset = begins + length
    return ""


def _broken_text(log: Printed, run: DiaryRun, attempt: Attempted | None) -> str:
    """Lines that do not follow from one another, and a log that ends too soon; where the log tells of a gap, there may be one."""
    told = [line for line in log.text.split(b"\n") if line.startswith(MARK)]
    ended_by_itself = run.lines is not None and attempt is not None and attempt.end_reason in OWN_ENDS
    if ended_by_itself and not all(any(excuse in line for excuse in EXCUSES) for line in told):
        return told[0].decode(errors="replace")
    number = 0
    for gaps, piece in enumerate(_between_gaps(log.text)):
        number, problem = _follow(piece, f"{run.job_id}.{run.attempt}.{run.rank}", number, after_gap=gaps > 0)
        if problem:
            return problem
    return f"{number} of {run.lines} lines" if ended_by_itself and not told and number != run.lines else ""


def _between_gaps(text: bytes) -> list[list[str]]:
    """The lines of a log, cut where a line of the platform tells that something is missing."""
    pieces: list[list[str]] = [[]]
    for line in text.decode(errors="replace").splitlines(keepends=True):
        if line.startswith(MARK.decode()):
            pieces.append([])
        else:
            pieces[-1].append(line)
    return pieces


def _follow(lines: Sequence[str], name: str, before: int, *, after_gap: bool) -> tuple[int, str]:
    """The number of the last line, and what is wrong with the first that is wrong. The first and the last may be cut."""
    number = before
    for index, line in enumerate(lines):
        first, last = index == 0, index == len(lines) - 1
        if first and after_gap:
            number = _number_of(line, number)
            continue
        number += 1
        whole = f"{name} {number}\n"
        if line != whole and not (last and whole.startswith(line.rstrip("\n"))):
            return number, f"line {number} is {line!r}"
    return number, ""


def _number_of(line: str, otherwise: int) -> int:
    """After a gap a line may lack its beginning, and any number may be the next."""
    last = line.split()[-1:]
    return int(last[0]) if last and last[0].isdigit() and line.endswith("\n") else otherwise


OWN_ENDS = frozenset({EndReason.COMPLETED, EndReason.EXIT_CODE})


def illegal_histories(history: History) -> Iterator[Finding]:
    """Moves that are not allowed, do not follow from one another, or do not lead to what the job is."""
    for job in history.jobs.values():
        state = ""
        for event in (event for event in job.events if event.new):
            legal = may_move(JobState(event.old), JobState(event.new)) if event.old else event.new == JobState.PENDING
            if event.old != state or not legal:
                yield Finding(
                    Wrong.HISTORY, job.job_id, f"{event.kind}: {event.old} to {event.new}, when it was {state}."
                )
            state = event.new
        if state != job.state:
            yield Finding(Wrong.HISTORY, job.job_id, f"It is {job.state}, and by its events {state}.")
        open_ends = [attempt.number for attempt in job.attempts if attempt.ended is None]
        if open_ends and job.state in TERMINAL_STATES:
            yield Finding(Wrong.HISTORY, job.job_id, f"It is {job.state}, and its attempt {open_ends[0]} is open.")


def strays(history: History) -> Iterator[Finding]:
    """Processes of jobs that are left when no job is."""
    for stray in history.strays:
        yield Finding(Wrong.STRAY, 0, stray)


def refused(history: History) -> Iterator[Finding]:
    """A request that the platform should have granted."""
    for sentence in history.refused:
        yield Finding(Wrong.REFUSED, 0, sentence)


def twins(history: History) -> Iterator[Finding]:
    """A second agent of a node that was not refused in one line."""
    for sentence in history.twins:
        yield Finding(Wrong.TWIN, 0, sentence)


def books(history: History) -> Iterator[Finding]:
    """What the platform counted and charged, against its limits and what ran."""
    for sentence in wrong(history.books, history.runs) if history.books else ():
        yield Finding(Wrong.BOOKS, 0, sentence)


CHECKS: Sequence[Callable[[History], Iterator[Finding]]] = (
    lost,
    wrong_ends,
    doubled,
    after_cancelling,
    overlapping,
    outlived,
    gpus_allocated_twice,
    drift,
    log_gaps,
    illegal_histories,
    strays,
    refused,
    twins,
    books,
)


def _pairs(history: History) -> Iterator[tuple[Accepted, Recorded]]:
    for accepted in history.accepted:
        if accepted.job_id in history.jobs:
            yield accepted, history.jobs[accepted.job_id]


def _by_job(runs: Iterable[DiaryRun]) -> dict[int, list[DiaryRun]]:
    found: dict[int, list[DiaryRun]] = defaultdict(list)
    for run in runs:
        found[run.job_id].append(run)
    return found


def _attempt_of(run: DiaryRun, jobs: Mapping[int, Recorded]) -> Attempted | None:
    job = jobs.get(run.job_id)
    return next((one for one in job.attempts if one.number == run.attempt), None) if job else None


def _placed(run: DiaryRun, jobs: Mapping[int, Recorded]) -> Placed | None:
    attempt = _attempt_of(run, jobs)
    return next((one for one in attempt.placements if one.rank == run.rank), None) if attempt else None


def _brief(job: Recorded) -> str:
    ends = " ".join(f"{attempt.number}:{attempt.end_reason or 'open'}" for attempt in job.attempts)
    return f"{job.state} {job.end_reason} [{ends}] {job.message}".strip()
