"""Into which workloads the jobs of a call go: those that exist are joined, the others made with their first jobs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.db.models.functions import Now

from jobs.models import Job, Workload
from jobs.submission.job_spec import JobSpec
from quotas.access import Role, project_roles
from quotas.models import Project
from scheduling.errors import FieldError, ForbiddenError, InvalidError
from scheduling.workloads import Wanted

Key: TypeAlias = tuple[str, str]
"""A project and a name."""


@dataclass(frozen=True, slots=True)
class WorkloadTerms:
    """What a call says about a workload that it makes. None: as usual, or as the one that exists has it."""

    name: str
    held: bool | None = None
    max_running: int | None = None
    stop_on_failure: bool | None = None
    description: str = ""


def find(projects: Mapping[str, Project], specs: Sequence[JobSpec], *, locked: bool) -> dict[Key, Workload]:
    """Those that the specs name and that exist. Locked: what is wanted of them stays until the jobs are in."""
    names = {spec.workload for spec in specs if spec.workload}
    if not names:
        return {}
    named = Workload.objects.filter(project__in=[one.pk for one in projects.values()], name__in=names)
    rows: QuerySet[Workload] = named.select_related("project", "owner").order_by("pk")
    # Shared: many may submit to it at once, nobody pauses or cancels it meanwhile.
    return {(row.project.slug, row.name): row for row in (_share(rows) if locked else rows)}


def _share(rows: QuerySet[Workload]) -> list[Workload]:
    ids = sorted(row.pk for row in rows)
    list(Workload.objects.raw("SELECT id FROM jobs_workload WHERE id = ANY(%s) ORDER BY id FOR SHARE", [ids]))
    return list(rows.all())


def faults(spec: JobSpec, known: Mapping[Key, Workload], terms: WorkloadTerms | None, owner: User) -> list[FieldError]:
    """What keeps the job out of the workload that it names."""
    row = known.get((spec.project, spec.workload))
    return [] if row is None else _refusals(row, spec.project, terms, owner)


def _refusals(row: Workload, project: str, terms: WorkloadTerms | None, owner: User) -> list[FieldError]:
    if row.owner_id != owner.pk:
        whose = row.owner or "somebody who has left"
        words = f"Workload {row} in project {project} is of {whose}: choose another name."
        return [FieldError("workload", words, "other_owner")]
    if row.wish is Wanted.CANCELLED:
        words = f"Workload {row} is cancelled and takes no new jobs: choose another name."
        return [FieldError("workload", words, "cancelled")]
    return _contradictions(row, terms) if terms is not None and terms.name == row.name else []


def _contradictions(row: Workload, terms: WorkloadTerms) -> list[FieldError]:
    """A call that only repeats what the workload is finds it so; one that says otherwise is no way to change it."""
    for name in ("max_running", "stop_on_failure"):
        said, has = getattr(terms, name), getattr(row, name)
        if said is not None and said != has:
            words = f"Workload {row} exists already, with {name} {has}: change it first, or leave this out."
            return [FieldError(f"workload.{name}", words, "exists")]
    if terms.held and row.wish is not Wanted.HELD:
        words = f"Workload {row} exists already, and has been started: pause it first, or leave this out."
        return [FieldError("workload.held", words, "exists")]
    return []


def complete(
    known: Mapping[Key, Workload],
    projects: Mapping[str, Project],
    specs: Sequence[JobSpec],
    terms: WorkloadTerms | None,
    owner: User,
) -> dict[Key, Workload]:
    """Those that exist and, made now, those that do not."""
    found = dict(known)
    for project, name in dict.fromkeys((spec.project, spec.workload) for spec in specs if spec.workload):
        if (project, name) not in found:
            found[project, name] = _make(projects[project], name, terms, owner)
    return found


def create(*, owner: User, project: str, name: str, held: bool = False, **columns: Any) -> Workload:
    """A new one without jobs. Raises InvalidError naming the field, and ForbiddenError for who may only look."""
    place = Project.objects.filter(slug=project).first()
    role = None if place is None else project_roles(owner).get(place.pk)
    if place is None or role is None:
        raise InvalidError([FieldError("project", f"There is no project {project!r} that you belong to.", "unknown")])
    if role == Role.VIEWER:
        raise ForbiddenError(f"You may look at project {project}, but make nothing in it.")
    if place.archived:
        raise InvalidError([FieldError("project", f"Project {project} is archived and takes no new jobs.", "archived")])
    made, new = Workload.objects.get_or_create(
        project=place, name=name, defaults=_first_columns(owner, held=held, **columns)
    )
    if not new:
        raise InvalidError([FieldError("name", f"There is a workload {name} in project {project} already.", "taken")])
    return made


def _first_columns(owner: User, *, held: bool = False, **columns: Any) -> dict[str, Any]:
    """Of a new workload of theirs; one that is held waits for its start."""
    wish = {"wanted": Wanted.HELD} if held else {"wanted": Wanted.OPEN, "started_at": Now()}
    return {"owner": owner, "changed_by": owner.get_username(), **wish, **columns}


def _make(project: Project, name: str, terms: WorkloadTerms | None, owner: User) -> Workload:
    own = terms if terms is not None and terms.name == name else WorkloadTerms(name)
    columns = _first_columns(
        owner,
        held=bool(own.held),
        max_running=own.max_running,
        stop_on_failure=bool(own.stop_on_failure),
        description=own.description,
    )
    made, new = Workload.objects.get_or_create(project=project, name=name, defaults=columns)
    if not new:  # somebody made it since we looked
        [made] = _share(Workload.objects.filter(pk=made.pk).select_related("owner"))
        refused = _refusals(made, project.slug, None, owner)
        if refused:
            raise InvalidError(refused)
    return made


def join(job: Job, workload: Workload | None) -> None:
    """Make a job that is not written yet one of the workload's; where that starts nothing now, it gains no age in line."""
    if workload is not None:
        job.workload = workload
        if workload.wish is not Wanted.OPEN:
            job.out_of_line_since = job.created_at
