"""Pools of nodes as their operators set them: one is refused that contradicts itself, whoever sets it and where."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.conf import settings
from django.db import transaction

from scheduling.errors import ConflictError, FieldError, InvalidError, NotFoundError
from workers.models import NodePool
from workers.pilot_settings import read_pilot_settings
from workers.pod_settings import read_pod_settings
from workers.pool_commands import read_commands

LOCAL_SETTINGS = "A local pool has no settings: `manage.py pool start` says what its agents are like."
NO_SETTINGS = (
    "Without an actuator there is nothing to set: say actuator command, kubernetes or slurm, or leave this out."
)
READERS: Mapping[str, Callable[[Mapping[str, Any]], object]] = {
    NodePool.Actuator.COMMAND: read_commands,
    NodePool.Actuator.KUBERNETES: read_pod_settings,
    NodePool.Actuator.SLURM: read_pilot_settings,
}
NO_LIFETIME = "A batch job has a time limit: say after how long each of its nodes goes."

NOBODY_ENDS_IT = "Needs an actuator: without one nobody ends the very node that jobs have left."


def find_pool(name: str) -> NodePool:
    pool = NodePool.objects.filter(name=name).first()
    if pool is None:
        raise NotFoundError(f"There is no pool {name}.")
    return pool


@transaction.atomic
def create(wanted: Mapping[str, Any]) -> NodePool:
    """Raises InvalidError, by field."""
    refuse_contradictions(NodePool(**wanted))
    made, is_new = NodePool.objects.get_or_create(name=wanted["name"], defaults=wanted)
    if not is_new:
        raise InvalidError([FieldError("name", f"There is a pool {made} already.", "taken")])
    return made


@transaction.atomic
def change(name: str, wanted: Mapping[str, Any]) -> NodePool:
    """What is not named stays as it is. Raises InvalidError, by field, when it does not fit to the rest."""
    NodePool.objects.select_for_update(no_key=True).filter(name=name).first()
    pool = find_pool(name)
    for field, value in wanted.items():
        setattr(pool, field, value)
    refuse_contradictions(pool)
    pool.save(update_fields=list(wanted))
    return pool


@transaction.atomic
def remove(name: str) -> None:
    """Its nodes stay as they are, and nobody counts them any more. Raises ConflictError while somebody acts for it."""
    pool = find_pool(name)
    if is_scaled(pool):
        raise ConflictError(f"Pool {name} is being scaled: pause it first, then nothing comes and goes.")
    pool.delete()


def is_scaled(pool: NodePool) -> bool:
    """Whether its nodes come and go."""
    return pool.actuator != NodePool.Actuator.NONE and not pool.paused


def refuse_contradictions(pool: NodePool) -> None:
    if faults := list(contradictions(pool)):
        raise InvalidError(faults)


def contradictions(pool: NodePool) -> Iterator[FieldError]:
    """What is wrong between its fields; each by itself is taken for right."""
    if pool.min_nodes > pool.max_nodes:
        yield FieldError("max_nodes", f"Must be at least min_nodes, {pool.min_nodes}.", "contradiction")
    if pool.spare_nodes > pool.max_nodes:
        yield FieldError("spare_nodes", f"Must be at most max_nodes, {pool.max_nodes}.", "contradiction")
    if pool.consolidate and pool.actuator == NodePool.Actuator.NONE:
        yield FieldError("consolidate", NOBODY_ENDS_IT, "contradiction")
    if not isinstance(pool.labels, dict) or not all(isinstance(value, str) for value in pool.labels.values()):
        yield FieldError("labels", 'Must be an object of strings, for example {"zone": "a"}.')
    elif NodePool.LABEL in pool.labels:
        yield FieldError("labels", f"The label {NodePool.LABEL} is the pool's name: leave it out.", "contradiction")
    if pool.gpus and not pool.gpu_memory_mb:
        yield FieldError("gpu_memory_gb", "A GPU has memory: say how much.", "contradiction")
    if not pool.gpus and (pool.gpu_model or pool.gpu_memory_mb):
        yield FieldError("gpus", "Is 0, though a GPU is described: say how many.", "contradiction")
    yield from _faults_of_lifetime(pool)
    yield from _faults_of_settings(pool)


def _faults_of_lifetime(pool: NodePool) -> Iterator[FieldError]:
    if pool.actuator == NodePool.Actuator.SLURM and pool.lifetime_seconds is None:
        yield FieldError("lifetime_seconds", NO_LIFETIME, "contradiction")
    if pool.lifetime_seconds is not None and pool.lifetime_seconds <= settings.NODE_LEAVE_SECONDS:
        words = f"Must be more than the {settings.NODE_LEAVE_SECONDS:g} s before its end in which an agent leaves."
        yield FieldError("lifetime_seconds", words, "contradiction")


def _faults_of_settings(pool: NodePool) -> Iterator[FieldError]:
    if not isinstance(pool.actuator_settings, dict):
        yield FieldError("actuator_settings", "Must be an object.")
        return
    if read := READERS.get(pool.actuator):
        try:
            read(pool.actuator_settings)
        except InvalidError as error:
            yield from error.errors
    elif pool.actuator_settings:
        words = LOCAL_SETTINGS if pool.actuator == NodePool.Actuator.LOCAL else NO_SETTINGS
        yield FieldError("actuator_settings", words, "contradiction")
