"""Templates of jobs: named, in versions, of a project or of everybody."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from jobs.models import JobTemplate
from jobs.submission.template_parameters import filled, read_parameters, read_run_time, unused, values_of
from quotas.access import Role, project_roles
from quotas.models import Project
from scheduling.errors import ConflictError, FieldError, ForbiddenError, InvalidError, NotFoundError

LABEL = "template"
OF_THE_SUBMITTER = frozenset(
    {"name", "project", "queue", "priority", "labels", "depends_on", "on_dependency_failure", "submission_key", "reason", "deadline", "begin_at"}
)  # fmt: skip
"""What may be said beside the parameters; all else is the template's."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A template as somebody writes it."""

    name: str
    project: Project | None
    description: str
    parameters: Mapping[str, Any]
    job: Mapping[str, Any]
    estimated_runtime: Mapping[str, Any] | None = None

    def sample(self) -> dict[str, Any]:
        """A job that comes of it, to be judged like any other. Raises InvalidError, by field."""
        parameters = read_parameters(self.parameters)
        read_run_time(self.estimated_runtime, parameters)
        if nothing := unused(self.job, parameters):
            raise InvalidError(
                [
                    FieldError(f"parameters.{one}", f"Stands nowhere in the job: write {{{one}}} there.")
                    for one in nothing
                ]
            )
        return dict(filled(dict(self.job), {name: one.sample() for name, one in parameters.items()}))


def visible(user: User) -> QuerySet[JobTemplate]:
    """The latest version of each that the user may submit from, or look at."""
    rows = JobTemplate.objects.order_by("name", "-version").distinct("name")
    found = JobTemplate.objects.filter(pk__in=rows.values("pk")).select_related("project").order_by("name")
    return found if user.is_staff else found.filter(Q(project__isnull=True) | Q(project__in=project_roles(user)))


def find(user: User, name: str, version: int | None = None) -> JobTemplate:
    """Raises NotFoundError, also for one of a project that the user has nothing to do with."""
    latest = visible(user).filter(name=name).first()
    if latest is None:
        raise NotFoundError(f"There is no template {name}.")
    if version is None or version == latest.version:
        return latest
    found = JobTemplate.objects.filter(name=name, version=version).select_related("project").first()
    if found is None:
        raise NotFoundError(f"There is no version {version} of template {name}: the latest is {latest.version}.")
    return found


@transaction.atomic
def write(draft: Draft, author: User) -> JobTemplate:
    """Its first version, or the next one. Raises ForbiddenError for others than the project's admins, of everybody's but staff."""
    _refuse_others(draft.project, author)
    before = JobTemplate.objects.filter(name=draft.name).order_by("-version").first()
    if before is not None and before.project_id != (draft.project.pk if draft.project else None):
        raise InvalidError(
            [FieldError("name", f"There is a template {draft.name} already, of somebody else.", "taken")]
        )
    fields = {
        "project": draft.project,
        "description": draft.description,
        "parameters": dict(draft.parameters),
        "job": dict(draft.job),
        "estimated_runtime": None if draft.estimated_runtime is None else dict(draft.estimated_runtime),
        "created_by": author.get_username(),
    }
    number = 1 if before is None else before.version + 1
    try:
        with transaction.atomic():
            return JobTemplate.objects.create(name=draft.name, version=number, **fields)
    except IntegrityError:
        raise ConflictError(f"Somebody has just written version {number} of {draft.name}: look at it first.") from None


@transaction.atomic
def remove(user: User, name: str) -> None:
    """With all its versions; jobs that came of it stay."""
    _refuse_others(find(user, name).project, user)
    JobTemplate.objects.filter(name=name).delete()


def job_of(template: JobTemplate, said: Mapping[str, Any]) -> dict[str, Any]:
    """The job as it is submitted: `said` has `parameters`, and what the submitter may say beside them.

    Raises InvalidError, by field.
    """
    others = {name: value for name, value in said.items() if name != "parameters"}
    if wrong := sorted(others.keys() - OF_THE_SUBMITTER):
        words = f"The template says what it is. You may say: parameters, {', '.join(sorted(OF_THE_SUBMITTER))}."
        raise InvalidError([FieldError(one[:40], words) for one in wrong])
    if not isinstance(said.get("parameters", {}), Mapping):
        raise InvalidError([FieldError("parameters", 'Must be an object, for example {"epochs": 2}.')])
    parameters = read_parameters(template.parameters)
    values = values_of(parameters, said.get("parameters", {}))
    job: dict[str, Any] = {"name": template.name, **filled(template.job, values), **others}
    if template.project is not None:
        job.setdefault("project", template.project.slug)
    run_time = read_run_time(template.estimated_runtime, parameters)
    if run_time is not None:
        job["estimated_runtime_seconds"] = run_time.of(values)
    labels = others.get("labels")
    if labels is None or isinstance(labels, Mapping):
        job["labels"] = {
            **template.job.get("labels", {}),
            **(labels or {}),
            LABEL: f"{template.name}-{template.version}",
        }
    return job


def _refuse_others(project: Project | None, user: User) -> None:
    if user.is_staff:
        return
    if project is None:
        raise ForbiddenError("Only staff may write templates that are everybody's: name a project.")
    if project_roles(user).get(project.pk) != Role.ADMIN:
        raise ForbiddenError(f"Only admins of project {project} may write its templates.")
