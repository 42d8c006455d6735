"""How long the jobs of each project are kept, and what their attempts left: its own rule, else that of the nearest project above, else the platform's."""

from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models.functions import Now

from jobs.models import JobRetention, OutputRetention
from quotas.models import Project
from quotas.queries import administers
from quotas.tree import lines_up
from scheduling.errors import ForbiddenError

Retention = type[JobRetention] | type[OutputRetention]


@dataclass(frozen=True, slots=True)
class Rule:
    """`days`: None is for ever. `of`: the project whose rule it is; None: the platform's."""

    days: int | None
    of: int | None


def rules() -> dict[int, Rule]:
    """By project, what holds for it."""
    return _rules(JobRetention, Rule(settings.JOB_RETENTION_DAYS or None, None))


def output_rules() -> dict[int, Rule]:
    """The same of what attempts left; None is for as long as the job."""
    return _rules(OutputRetention, Rule(settings.OUTPUT_RETENTION_DAYS, None))


def _rules(model: Retention, platform: Rule) -> dict[int, Rule]:
    own = dict(model.objects.values_list("pk", "days"))
    found: dict[int, Rule] = {}
    for project, line in lines_up().items():
        of = next((one for one in line if one in own), None)
        found[project] = platform if of is None else Rule(own[of], of)
    return found


def set_rule(project: Project, days: int | None, actor: User) -> None:
    """From now on jobs of the project are kept so long; None: for ever. Raises ForbiddenError for all but its admins."""
    _refuse_others(project, actor)
    _set(JobRetention, project, days, actor)


def set_output_rule(project: Project, days: int | None, actor: User) -> None:
    """The same of what its jobs leave; None: as long as the job."""
    _refuse_others(project, actor)
    _set(OutputRetention, project, days, actor)


def _set(model: Retention, project: Project, days: int | None, actor: User) -> None:
    said = {"days": days, "changed_by": actor.get_username(), "changed_at": Now()}
    model.objects.update_or_create(project=project, defaults=said)


def remove_rule(project: Project, actor: User) -> None:
    """From now on it has the rules of those above."""
    _refuse_others(project, actor)
    JobRetention.objects.filter(project=project).delete()
    OutputRetention.objects.filter(project=project).delete()


def _refuse_others(project: Project, actor: User) -> None:
    if not administers(actor, project.pk):
        raise ForbiddenError(f"Only administrators of {project} say for how long its jobs are kept.")
