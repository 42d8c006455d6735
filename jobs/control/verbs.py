"""What a job answers to what people ask of it: a value, made of its row. `granting.py` writes it, for many jobs at once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import F
from django.db.models.functions import Now

from jobs.models import Job
from jobs.state import begin, queue_transitions
from jobs.state.desired import CANCEL, END, PAUSE, REQUEUE, RUN
from jobs.state.queue_age import back_in_queue
from jobs.state.queue_transitions import NOTHING_PROMISED, RELEASED, UNSTARTED
from jobs.state.transitions import Transition
from scheduling.lifecycle import PLACED_STATES, TERMINAL_STATES, JobState
from scheduling.planning.dependencies import Doom

ALWAYS_CHANGEABLE = frozenset({"name", "labels"})
PLANNED_BY = frozenset(
    {
        "cpus", "memory_mb", "gpus", "gpu_memory_mb", "gpu_model", "nodes", "node_labels", "executor", "begin_at",
        "queue_id", "max_runtime_seconds",
    }
)  # fmt: skip
"""Whoever has another one of these than he was planned by is not placed by that plan."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens to one job. With neither a refusal nor an event it is under way already, and nothing happens.

    `wish`: its nodes are told to stop it. `wakes`: it stands still no longer. `columns` are written beside that.
    """

    refusal: str = ""
    move: Transition | None = None
    wish: str = ""
    wakes: bool = False
    columns: Mapping[str, Any] = field(default_factory=dict)
    event: str = ""
    message: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def changes(self) -> bool:
        return bool(self.move or self.event)


@dataclass(frozen=True, slots=True)
class ActionRequest:
    """Who asks, and what else is said. `beside`: columns that follow from those that are changed. `ending`: the jobs that have lost a member of their gang already.

    `among`: all of whom it is asked, when they are asked in turns.
    """

    actor: str
    reason: str = ""
    columns: Mapping[str, Any] = field(default_factory=dict)
    beside: Mapping[str, Any] = field(default_factory=dict)
    ending: frozenset[int] = frozenset()
    among: frozenset[int] = frozenset()


Verb = Callable[[Job, ActionRequest], Decision]
UNDER_WAY = Decision()


def cancel(job: Job, asked: ActionRequest) -> Decision:
    if job.state in TERMINAL_STATES:
        return _over(job)
    if job.state in UNSTARTED:
        return Decision(move=queue_transitions.cancelled(job, asked.actor, asked.reason))
    return UNDER_WAY if job.desired == CANCEL else _stopped(CANCEL, asked.reason)


def requeue(job: Job, asked: ActionRequest) -> Decision:
    if job.desired == CANCEL:
        return _being_cancelled(job)
    if job.state == JobState.PENDING:
        return Decision(f"Job {job.pk} is {job.state} already.")
    if job.state not in PLACED_STATES:
        return Decision(move=queue_transitions.requeued(job, asked.actor, asked.reason))
    return UNDER_WAY if job.desired == REQUEUE else _stopped(REQUEUE, asked.reason)


def requeued_in_vain(doom: Doom) -> Decision:
    first = "Requeue what it depends on first, or in the same call."
    return Decision(f"Job {doom.job} would end again at once. {doom.sentence} {first}")


def pause(job: Job, asked: ActionRequest) -> Decision:
    if job.state in TERMINAL_STATES:
        return _over(job)
    if job.desired == CANCEL:
        return _being_cancelled(job)
    if job.state == JobState.PAUSED:
        return Decision(f"Job {job.pk} is paused already.")
    if job.state == JobState.PENDING:
        return Decision(move=queue_transitions.paused(job, asked.actor, asked.reason))
    return UNDER_WAY if job.desired == PAUSE else _stopped(PAUSE, asked.reason)


def suspend(job: Job, asked: ActionRequest) -> Decision:
    if job.state != JobState.RUNNING or job.desired:
        doing = f"being stopped ({job.desired})" if job.desired else job.state
        return Decision(f"Job {job.pk} is {doing}: only a running job can be suspended.")
    if job.suspended:
        return Decision(f"Job {job.pk} is suspended already.")
    return Decision(columns={"suspended_at": Now()}, event="suspended", message=asked.reason)


def resume(job: Job, asked: ActionRequest) -> Decision:
    if job.state == JobState.PAUSED:
        return Decision(move=queue_transitions.resumed(job, asked.actor))
    if job.desired == PAUSE:
        # Whoever has not heard of it goes on. A gang that has lost a member to it ends, and is in line again with that.
        wish = END if job.pk in asked.ending else RUN
        return Decision(columns={"desired": wish}, event="resumed", message="While it was still being paused.")
    if job.suspended:
        return Decision(wakes=True, event="resumed")
    return Decision(f"Job {job.pk} is {job.state}, and neither paused nor suspended.")


def hold(job: Job, asked: ActionRequest) -> Decision:
    if job.state != JobState.PENDING:
        return Decision(f"Job {job.pk} is {job.state}: only a job that waits can be held.")
    if job.held_at is not None:
        return Decision(f"Job {job.pk} is held already, by {job.held_by}.")
    held = {"held_at": Now(), "held_by": asked.actor, "held_reason": asked.reason, "out_of_line_since": Now()}
    return Decision(columns=held | NOTHING_PROMISED, event="held", message=asked.reason)


def release(job: Job, _: ActionRequest) -> Decision:
    if job.held_at is None:
        return Decision(f"Job {job.pk} is not held: it is {job.state}.")
    older = {} if job.state == JobState.PAUSED else back_in_queue(job)
    return Decision(columns=RELEASED | older, event="released")


def change(job: Job, asked: ActionRequest) -> Decision:
    """`asked.columns` are those of the row; a queue is named by its number."""
    late = sorted(name.removesuffix("_id") for name in asked.columns.keys() - ALWAYS_CHANGEABLE)
    if late and job.state not in UNSTARTED:
        return Decision(f"Job {job.pk} is {job.state}: {', '.join(late)} can only be changed while it waits.")
    before = {name: plain(getattr(job, name)) for name in asked.columns}
    changed = {name: plain(value) for name, value in asked.columns.items() if before[name] != plain(value)}
    if not changed:
        return UNDER_WAY
    # What was promised, was promised to the job as it stood in line.
    kept: dict[str, Any] = {} if changed.keys() <= ALWAYS_CHANGEABLE else {"promised": False}
    if not changed.keys().isdisjoint(PLANNED_BY):
        kept["revision"] = F("revision") + 1
    if begin.FIELD in changed:
        kept["in_line_since"] = begin.IN_LINE_ANEW
    data: dict[str, Any] = {
        "from": {name: shown(name, before[name]) for name in changed},
        "to": {name: shown(name, value) for name, value in changed.items()},
    }
    if "env" in changed:
        data["variables"] = [one for one in sorted({*before["env"], *changed["env"]})
                             if before["env"].get(one) != changed["env"].get(one)]  # fmt: skip
    return Decision(columns={**asked.columns, **asked.beside, **kept}, event="changed", message=asked.reason, data=data)


def shown(name: str, value: Any) -> Any:
    """As its history says it: of its environment the names alone, for everybody in its project reads that."""
    return sorted(value) if name == "env" else plain(value)


def plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | dict | list | None) else str(value)


def _stopped(wish: str, reason: str) -> Decision:
    return Decision(wish=wish, wakes=True, event=f"{wish}_requested", message=reason)


def _over(job: Job) -> Decision:
    return Decision(f"Job {job.pk} has ended already: it is {job.state}.")


def _being_cancelled(job: Job) -> Decision:
    return Decision(f"Job {job.pk} is being cancelled.")
