"""A crowd: three times as many jobs as there is room for, all at once, and whether the more urgent ones go first."""

import random
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

import psycopg

from chaos import collecting
from chaos.diaries import DiaryRun
from chaos.history import History
from chaos.report import Timing
from chaos.stack import Shape, Stack
from chaos.submitting import Accepted
from chaos.workload import Kind, PlannedJob
from local_stack.rest import Rest

AT_ONCE = 150
AGENTS = 3
SECONDS = 12.0
TICK_SECONDS = 1.0
PATIENCE_SECONDS = 300.0
PRIORITIES = ("urgent", "normal", "background")
PLACED = "SELECT job_id, min(id) FROM jobs_jobevent WHERE kind = 'queued' GROUP BY job_id"


def shape(lease: float) -> Shape:
    """Room for 150 jobs, on as many CPUs as this machine says that it has."""
    return Shape(
        agents=AGENTS, cpus=AT_ONCE // AGENTS, gpus=1, lease=lease, margin=lease / 2, disks=False, standby=False
    )


def plan(seed: int) -> list[PlannedJob]:
    """As many of each priority as there is room for, in any order."""
    jobs = [
        PlannedJob(f"{priority}-{number}", 0.0, Kind.STEADY, SECONDS, priority, tick=TICK_SECONDS)
        for priority in PRIORITIES
        for number in range(AT_ONCE)
    ]
    random.Random(f"crowd {seed}").shuffle(jobs)
    return jobs


def run(stack: Stack, rest: Rest, seed: int) -> tuple[History, list[Timing], float]:
    """The history, the measures and how many seconds it took."""
    plans = plan(seed)
    began = time.monotonic()
    answer = rest.post("/jobs/batch", {"jobs": [{**one.request(stack.diaries), "project": "free"} for one in plans]})
    accepted = [Accepted(int(job["id"]), one) for job, one in zip(answer.body["jobs"], plans, strict=True)]
    with suppress(TimeoutError):
        stack.wait_for(lambda: _all_ended(stack), "the crowd to end", PATIENCE_SECONDS)
    seconds = time.monotonic() - began
    with suppress(TimeoutError):
        stack.wait_for(lambda: not stack.strays(), "the last processes to end", PATIENCE_SECONDS)
    history = collecting.collect(stack, rest, accepted, breached=(), refused=())
    return history, _measures(stack, history), seconds


def _all_ended(stack: Stack) -> bool:
    with suppress(psycopg.Error), stack.database() as database:
        time.sleep(0.5)  # who looks more often slows down what it waits for
        return not collecting.unfinished(database)
    return False


def _measures(stack: Stack, history: History) -> list[Timing]:
    ranks = {one.job_id: PRIORITIES.index(one.plan.priority) for one in history.accepted}
    with stack.database() as database:
        placed = {int(str(job_id)): float(str(event)) for job_id, event in database.execute(PLACED).fetchall()}
    started = {run.job_id: run.began for run in reversed(history.runs)}
    return [
        Timing("jobs at once", peak(history.runs), AT_ONCE, "jobs", at_least=True),
        Timing("placed before a more urgent one", out_of_order(ranks, placed), 0, "jobs"),
        Timing("started before a more urgent one", out_of_order(ranks, started), 0, "jobs"),
    ]


def peak(runs: Sequence[DiaryRun]) -> int:
    """How many ran at the same time, at most."""
    steps = sorted([(run.began, 1) for run in runs] + [(run.last, -1) for run in runs])
    now = most = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most


def out_of_order(ranks: Mapping[int, int], moments: Mapping[int, float]) -> int:
    """Jobs whose moment came before that of a job of a better rank, all having arrived together."""
    found = 0
    for rank in range(1, len(PRIORITIES)):
        last_better = max((moments[job] for job in moments if ranks[job] < rank), default=0.0)
        found += sum(ranks[job] == rank and moment < last_better for job, moment in moments.items())
    return found
