"""`manage.py up` is killed again and again while jobs run, while it works and while it starts, and started again.

Nothing of it is told to stop: its successor finds what is left of it, and the jobs go on or run once more.
"""

import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import psutil
import psycopg

from chaos import collecting
from chaos.history import History
from chaos.report import Timing
from chaos.stack import marked
from chaos.submitting import User
from chaos.supervised import Supervised
from chaos.workload import plan_jobs
from local_stack.rest import Rest

JOBS = 60
SECONDS = 150.0
"""Over so many they come: some of them into every life of the stack."""
KILLS = 6
WHILE_IT_STARTS = 0.5
"""So many of the kills are followed by one before the stack is up again."""
SOON, LATE = (0.2, 8.0), (0.2, 3.0)
"""Seconds after its start, or after jobs run, at which it is killed."""
AWAY = (0.0, 3.0)
PATIENCE_SECONDS = 180.0
SETTLE_SECONDS = 20.0
LOOK_SECONDS = 1.0
AS_LONG_AS_AT_FIRST = 2.0
"""A start that finds leftovers may take so many times as long as the very first one, on a machine as busy as this."""
PATIENCE_OF_THE_USER_SECONDS = 400.0
"""Nothing answers while the stack is away, which is most of the time."""
KILLED, KILLED_EARLY = "supervisor killed", "supervisor killed while it starts"


@dataclass
class DrillResult:
    """What happened beside what the checks look at."""

    done: Counter[str] = field(default_factory=Counter)
    up_again: list[float] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    """Processes of a stack that was killed, running beside those of its successor."""
    seconds: float = 0.0


class Drill:
    """Runs in the main thread: it is the parent of the stack."""

    def __init__(self, stack: Supervised, seed: int) -> None:
        self.outcome = DrillResult()
        self._stack = stack
        self._draw = random.Random(f"supervisor {seed}")
        self._rest = Rest(stack.web_port, stack.token, PATIENCE_OF_THE_USER_SECONDS)
        self._user = User(self._rest, plan_jobs(seed, JOBS, SECONDS), stack.diaries)

    def run(self) -> History:
        """The history, read when all jobs have ended, or when that takes far too long."""
        began = time.monotonic()
        self._user.start()
        for _ in range(KILLS):
            self._kill()
        with suppress(TimeoutError):
            self._stack.wait_for(self._all_ended, "the jobs to end", PATIENCE_SECONDS)
        with suppress(TimeoutError):
            self._stack.wait_for(lambda: not self._stack.strays(), "the last processes to end", SETTLE_SECONDS)
        self.outcome.seconds = time.monotonic() - began
        accepted, refused = self._user.accepted(), [*self._user.refused, *self._by_itself()]
        return collecting.collect(self._stack, self._rest, accepted, breached=(), refused=refused)

    def _kill(self) -> None:
        """It is killed while jobs run, and its successor perhaps as well, before it is up."""
        self._stack.wait_for(self._works, "a job to run", PATIENCE_SECONDS)
        self._let_pass(LATE)
        before = self._stack.processes()
        self._stack.up.kill(self._draw.uniform(*AWAY))
        self.outcome.done[KILLED] += 1
        if self._draw.random() < WHILE_IT_STARTS:
            self._stack.wait_for(lambda: self._stack.up.running, "it to be started", LOOK_SECONDS + AWAY[1])
            self._let_pass(SOON)
            before += self._stack.processes()
            self._stack.up.kill(self._draw.uniform(*AWAY))
            self.outcome.done[KILLED_EARLY] += 1
        began = time.monotonic()
        self._stack.wait_until_up()
        self.outcome.up_again.append(time.monotonic() - began)
        left = set(before) & set(self._stack.processes())
        self.outcome.left += [f"{one.pid} {_name(one)} outlived its stack" for one in left]

    def _let_pass(self, span: tuple[float, float]) -> None:
        until = time.monotonic() + self._draw.uniform(*span)
        self._stack.wait_for(lambda: time.monotonic() >= until, "time to pass", span[1] + LOOK_SECONDS)

    def _works(self) -> bool:
        """Whether a command runs, or everything has ended already."""
        return bool(marked(f"{self._stack.home}/")) or self._all_ended()

    def _all_ended(self) -> bool:
        with suppress(psycopg.Error, KeyError), self._stack.database() as database:
            time.sleep(LOOK_SECONDS)
            return self._user.done and not collecting.unfinished(database)
        return False

    def _by_itself(self) -> Sequence[str]:
        deaths = self._stack.up.deaths
        return [f"The stack ended by itself {deaths} times, see its log."] if deaths else []


def measures(outcome: DrillResult, first_start: float) -> list[Timing]:
    return [Timing("supervisor killed: up again", max(outcome.up_again), AS_LONG_AS_AT_FIRST * first_start)]


def faults(outcome: DrillResult) -> Mapping[str, Mapping[str, int]]:
    return {"faults": dict(outcome.done), "faults_left_out": {}}


def stop(stack: Supervised) -> list[str]:
    """What is wrong with how it stops: it says 0, and nothing of it is left."""
    code = stack.stop()
    ended = [] if code == 0 else [f"the stack stopped with exit code {code}"]
    return [*ended, *(f"{one.pid} {_name(one)} is left of a stack that was stopped" for one in stack.processes())]


def _name(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return process.name()
    return ""
