"""What becomes of jobs whose GPUs idle: the rule of their project, or of the nearest above that has one, and that of their queue.

A queue's rule loosens nothing: of both the stricter holds, rung by rung.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models.functions import Now

from jobs.models import IdleGpuRule, Queue
from jobs.models.idle_gpus import TERMS
from quotas.models import Project
from quotas.queries import administers
from quotas.tree import lines_up
from scheduling.errors import ForbiddenError, InvalidError
from scheduling.idle_gpus import OFF, Ladder, faults, stricter


@dataclass(frozen=True, slots=True)
class Ladders:
    """All rules that there are, by projects and queues."""

    projects: Mapping[int, Ladder]
    queues: Mapping[int, Ladder]

    def __bool__(self) -> bool:
        return bool(self.projects or self.queues)

    @property
    def least_minutes(self) -> float:
        return min(one.least_minutes for one in (OFF, *self.projects.values(), *self.queues.values()))

    def of(self, project: int, queue: int) -> Ladder:
        return stricter(self.projects.get(project, OFF), self.queues.get(queue, OFF))


def ladders() -> Ladders:
    """What holds now, of projects by inheritance; one statement while there are no rules."""
    rules = list(IdleGpuRule.objects.all())
    own = {rule.project_id: rule.ladder for rule in rules if rule.project_id is not None}
    queues = {rule.queue_id: rule.ladder for rule in rules if rule.queue_id is not None}
    lines = lines_up() if own else {}
    near = {project: next((own[one] for one in line if one in own), OFF) for project, line in lines.items()}
    return Ladders(near, queues)


def rule_of(of: Project | Queue) -> IdleGpuRule | None:
    """The rule that holds for a project, its own or inherited; a queue's own. None: there is none."""
    if isinstance(of, Queue):
        return IdleGpuRule.objects.filter(queue=of).select_related("queue").first()
    line = lines_up()[of.pk]
    rules = {rule.project_id: rule for rule in IdleGpuRule.objects.filter(project__in=line).select_related("project")}
    return next((rules[one] for one in line if one in rules), None)


@transaction.atomic
def set_rule(of: Project | Queue, terms: Mapping[str, Any], actor: User) -> None:
    """Change these of its own rule's terms; the first time, from a rule by which nothing happens.

    Raises ForbiddenError for all but the project's admins, of a queue but staff; InvalidError for what contradicts itself.
    """
    _refuse_others(of, actor)
    mine = _of(of)
    rule = IdleGpuRule.objects.select_for_update(no_key=True).filter(**mine).first()
    now = {name: getattr(rule.ladder if rule else OFF, name) for name in TERMS} | dict(terms)
    if wrong := faults(Ladder(**now)):
        raise InvalidError(wrong)
    said = {**now, "changed_by": actor.get_username(), "changed_at": Now()}
    IdleGpuRule.objects.update_or_create(**mine, defaults=said)


def remove_rule(of: Project | Queue, actor: User) -> None:
    """From now on a project has the rule of those above; a queue has none."""
    _refuse_others(of, actor)
    IdleGpuRule.objects.filter(**_of(of)).delete()


def _of(of: Project | Queue) -> dict[str, Any]:
    return {"queue" if isinstance(of, Queue) else "project": of}


def _refuse_others(of: Project | Queue, actor: User) -> None:
    if isinstance(of, Queue):
        if not actor.is_staff:
            raise ForbiddenError(f"Only staff say what becomes of idle GPUs in queue {of}.")
    elif not administers(actor, of.pk):
        raise ForbiddenError(f"Only administrators of {of} say what becomes of its idle GPUs.")
