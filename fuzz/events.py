"""What people and machines do to a world, by name: each changes the state, and says whom it touched."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from fuzz.scenario import Event
from fuzz.state import State
from scheduling.snapshot import Limits

Change: TypeAlias = Callable[[State, Any, Any], None]


def happen(state: State, event: Event) -> None:
    EVENTS[event.kind](state, event.target, event.value)


def hold(state: State, job_id: int, _: object) -> None:
    """Whoever is held loses the room that was promised to it."""
    job = state.waiting.get(job_id)
    if job is not None and not job.held:
        state.waiting[job_id] = replace(job, held="ann", promised=False, room=())
        state.held_since[job_id] = state.now
        state.touch(job_id)


def release(state: State, job_id: int, _: object) -> None:
    """It is as old in line as it was when it left it."""
    job = state.waiting.get(job_id)
    if job is not None and job.held:
        came = job.submitted_at + state.now - max(job.submitted_at, state.held_since.pop(job_id))
        state.waiting[job_id] = replace(job, held="", submitted_at=came)
        state.touch(job_id)


def suspend(state: State, job_id: int, _: object) -> None:
    state.suspend(job_id)


def resume(state: State, job_id: int, _: object) -> None:
    state.resume(job_id)


def cancel(state: State, job_id: int, _: object) -> None:
    """A running job ends after its grace."""
    state.touch(job_id)
    one = state.running.get(job_id)
    if job_id in state.waiting:
        state.over(job_id, completed=False, given_up=True)
    elif one is not None and not one.job.leaving:
        one.job = replace(one.job, leaving=True)
        state.at(state.now + state.known[job_id].leaves_in, lambda: _cancelled(state, job_id, one.attempt))


def _cancelled(state: State, job_id: int, attempt: int) -> None:
    one = state.running.get(job_id)
    if one is not None and one.attempt == attempt:
        state.over(job_id, completed=False, given_up=True)


def set_priority(state: State, job_id: int, priority: int) -> None:
    job = state.waiting.get(job_id)
    if job is not None:
        state.waiting[job_id] = replace(job, priority=priority, promised=False, room=())
        state.touch(job_id)


def drain(state: State, name: str, told: bool) -> None:
    """Nothing new starts there; what runs may be told to go."""
    _node(state, name, "draining", alive=True)
    for one in _on(state, name) if told else ():
        if not state.running[one].job.leaving:
            state.running[one].job = replace(state.running[one].job, leaving=True)
            state.leave_soon(one)


def take_down(state: State, name: str, _: object) -> None:
    """The machine is lost, with all that ran there."""
    _node(state, name, "up", alive=False)
    for job_id in _on(state, name):
        state.gone(job_id, state.running[job_id].attempt)


def bring_up(state: State, name: str, _: object) -> None:
    _node(state, name, "up", alive=True)


def _on(state: State, name: str) -> list[int]:
    return [job_id for job_id, one in state.running.items() if any(share.node == name for share in one.job.shares)]


def _node(state: State, name: str, node_state: str, *, alive: bool) -> None:
    nodes = [replace(one, state=node_state, alive=alive) if one.name == name else one for one in state.cluster.nodes]
    state.cluster = replace(state.cluster, nodes=tuple(nodes))
    state.touch(None)


def set_quota(state: State, slug: str, limits: Limits | None) -> None:
    projects = [replace(one, limits=limits) if one.slug == slug else one for one in state.cluster.projects]
    state.cluster = replace(state.cluster, projects=tuple(projects))
    state.touch(None)


def pause_queue(state: State, name: str, _: object) -> None:
    _queue(state, name, "paused")


def open_queue(state: State, name: str, _: object) -> None:
    _queue(state, name, "open")


def _queue(state: State, name: str, queue_state: str) -> None:
    queues = [replace(one, state=queue_state) if one.name == name else one for one in state.cluster.queues]
    state.cluster = replace(state.cluster, queues=tuple(queues))
    state.touch(None)


EVENTS: Mapping[str, Change] = {
    one.__name__: one
    for one in (
        hold, release, suspend, resume, cancel, set_priority, drain, take_down, bring_up, set_quota, pause_queue, open_queue,
    )
}  # fmt: skip
