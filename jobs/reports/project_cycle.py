"""A scheduling cycle that somebody asks for on behalf of one project, and what it did for that project."""

from dataclasses import dataclass

from django.db.models import QuerySet

from jobs.models import Job
from jobs.planning import cycle
from jobs.reports.quota_usage import tree_of_projects
from quotas.models import Project
from scheduling.lifecycle import PLACED_STATES, JobState
from scheduling.snapshot import chain_of


@dataclass(frozen=True, slots=True)
class Scheduled:
    """How many of the project's jobs got a place, and how many wait on; those of the projects below it count too."""

    placed: int
    waiting: int


def schedule(project: Project) -> Scheduled:
    """Plan once for the whole platform, as always: no project goes before others because somebody asks for it."""
    jobs = jobs_of(project)
    waited = list(jobs.filter(state=JobState.PENDING).values_list("pk", flat=True))
    cycle.run_cycle()
    placed = jobs.filter(pk__in=waited, state__in=list(PLACED_STATES)).count()
    return Scheduled(placed, jobs.filter(state=JobState.PENDING).count())


def jobs_of(project: Project) -> QuerySet[Job]:
    """Its own and those of all projects below it."""
    return Job.objects.filter(project__slug__in=slugs_below(project))


def slugs_below(project: Project) -> list[str]:
    """The project and everything below it."""
    tree = tree_of_projects()
    return [slug for slug in tree if any(view.slug == project.slug for view in chain_of(slug, tree))]
