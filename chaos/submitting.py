"""The drill's user: submits jobs when it is their time, and does to them what was planned."""

import heapq
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chaos.workload import Action, PlannedJob
from local_stack.rest import Answer, NoAnswerError, Rest
from scheduling.lifecycle import TERMINAL_STATES, JobState

THREADS = 3
RESUME_AFTER = 2.0
ACCEPTED = (200, 201)
DONE = (200, 202)
CONFLICT = 409
GRANTED = {Action.CANCEL: JobState.CANCELLED, Action.PAUSE: JobState.PAUSED}
"""Where a job stands once it was granted that."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A job that the platform has taken, and which of its owner's wishes it has granted."""

    job_id: int
    plan: PlannedJob
    granted: tuple[str, ...] = ()


@dataclass(order=True, slots=True)
class Due:
    """One request and the moment from which on it is to be made."""

    at: float
    number: int
    plan: PlannedJob = field(compare=False)
    action: Action | None = field(compare=False, default=None)


class User:
    """Works through a plan in a few threads of its own."""

    def __init__(self, rest: Rest, plans: Sequence[PlannedJob], diaries: Path) -> None:
        self.refused: list[str] = []
        self._rest = rest
        self._diaries = diaries
        self._lock = threading.Condition()
        self._began = time.monotonic()
        self._due = [Due(plan.at, number, plan) for number, plan in enumerate(plans)]
        self._numbers = len(plans)
        self._busy = 0
        self._ids: dict[str, int] = {}
        self._granted: dict[str, list[str]] = {}
        self._plans = {plan.key: plan for plan in plans}
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(THREADS)]

    def start(self) -> None:
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()

    @property
    def done(self) -> bool:
        """Whether everything that was planned has been asked for."""
        with self._lock:
            return not self._due and not self._busy

    def accepted(self) -> list[Accepted]:
        with self._lock:
            return [
                Accepted(job_id, self._plans[key], tuple(self._granted.get(key, ())))
                for key, job_id in self._ids.items()
            ]

    def _work(self) -> None:
        while (due := self._next()) is not None:
            try:
                self._ask(due)
            except NoAnswerError as error:
                self._refuse(due, str(error))
            finally:
                with self._lock:
                    self._busy -= 1
                    self._lock.notify_all()

    def _next(self) -> Due | None:
        """The next request, at its time; None when there will be no more."""
        with self._lock:
            while True:
                wait = self._due[0].at - (time.monotonic() - self._began) if self._due else None
                if wait is not None and wait <= 0:
                    self._busy += 1
                    return heapq.heappop(self._due)
                if wait is None and not self._busy:
                    return None
                self._lock.wait(wait)

    def _ask(self, due: Due) -> None:
        if due.action is None:
            self._submit(due)
        else:
            self._act(due, due.action)

    def _submit(self, due: Due) -> None:
        answer = self._rest.post("/jobs", due.plan.request(self._diaries))
        if answer.status not in ACCEPTED:
            self._refuse(due, f"{answer.status} {answer.body}")
            return
        with self._lock:
            self._ids[due.plan.key] = int(answer.body["id"])
        if due.plan.action:
            self._plan(due.plan, due.plan.action, due.plan.after)

    def _act(self, due: Due, action: Action) -> None:
        """What is refused because the job is in another state by then is no matter; but what is paused is resumed."""
        key = due.plan.key
        answer = self._rest.post(f"/jobs/{self._ids[key]}/{action}")
        granted = answer.status in DONE or _was_granted_before(action, answer)
        if granted:
            with self._lock:
                self._granted.setdefault(key, []).append(action)
        if (action == Action.PAUSE and granted) or (action == Action.RESUME and _still_pausing(answer)):
            self._plan(due.plan, Action.RESUME, RESUME_AFTER)

    def _plan(self, plan: PlannedJob, action: Action, after: float) -> None:
        with self._lock:
            self._numbers += 1
            heapq.heappush(self._due, Due(time.monotonic() - self._began + after, self._numbers, plan, action))
            self._lock.notify_all()

    def _refuse(self, due: Due, why: str) -> None:
        with self._lock:
            self.refused.append(f"{due.action or 'submit'} {due.plan.key}: {why}")


def _still_pausing(answer: Answer) -> bool:
    """A job that is being stopped cannot be resumed yet."""
    return answer.status == CONFLICT and answer.body.get("state") not in TERMINAL_STATES


def _was_granted_before(action: Action, answer: Answer) -> bool:
    """The answer may be lost; asked again, the platform says that the job is cancelled or paused already."""
    return answer.status == CONFLICT and answer.body.get("state") == GRANTED.get(action, "")
