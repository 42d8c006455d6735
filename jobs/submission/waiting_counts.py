"""How many jobs wait in each project, where a quota limits that."""

from collections import Counter
from collections.abc import Mapping

from django.db.models import Count

from jobs.models import Job
from scheduling.lifecycle import JobState
from scheduling.snapshot import ProjectView, chain_of


def waiting_counts(tree: Mapping[str, ProjectView]) -> Mapping[str, int]:
    """Waiting jobs of each project and everything below it; counted only where some quota limits them."""
    counts: Counter[str] = Counter()
    if not any(view.limits and view.limits.waiting_jobs is not None for view in tree.values()):
        return counts
    rows = Job.objects.filter(state=JobState.PENDING).order_by().values_list("project__slug")
    for slug, count in rows.annotate(count=Count("pk")):
        counts.update({project.slug: count for project in chain_of(slug, tree)})
    return counts
