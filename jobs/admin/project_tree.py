"""The tree of projects and what each holds with all that is below it: three queries, whatever the number of projects."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Count, F, Func, IntegerField, Sum

from jobs.models import Job, Placement
from quotas.models import Project, Quota
from scheduling.lifecycle import PLACED_STATES, JobState


@dataclass(frozen=True, slots=True)
class Tree:
    parents: Mapping[int, int | None]
    slugs: Mapping[int, str]
    totals: Mapping[int, Mapping[str, int]]

    def line(self, project_id: int) -> list[int]:
        """The project and all above it, the root first. A circle in the data is cut, not followed."""
        line: list[int] = []
        current: int | None = project_id
        while current is not None and current not in line:
            line.append(current)
            current = self.parents.get(current)
        return line[::-1]

    def path(self, project_id: int) -> tuple[str, ...]:
        return tuple(self.slugs[one] for one in self.line(project_id))

    def depth(self, project_id: int) -> int:
        return len(self.line(project_id)) - 1

    def usage(self, project_id: int) -> dict[str, int]:
        """What the project and everything below it hold now, by the names of the quota's limits."""
        held = self.totals.get(project_id, {})
        return {name: held.get(name, 0) for name in Quota.LIMITS}


def read() -> Tree:
    rows = Project.objects.order_by().values_list("pk", "parent_id", "slug")
    parents = {pk: parent for pk, parent, _ in rows}
    tree = Tree(parents, {pk: slug for pk, _, slug in rows}, {})
    totals: dict[int, Counter[str]] = {pk: Counter() for pk in parents}
    for project_id, held in _own_usage().items():
        for above in tree.line(project_id):
            totals[above].update(held)
    return Tree(tree.parents, tree.slugs, totals)


def _own_usage() -> dict[int, Counter[str]]:
    usage: dict[int, Counter[str]] = defaultdict(Counter)
    cards = Sum(Func(F("gpu_indices"), function="cardinality", output_field=IntegerField()))
    shares = Placement.objects.filter(closed_at__isnull=True).order_by().values_list("attempt__job__project")
    for project, gpus, cpus, memory in shares.annotate(cards=cards, cores=Sum("cpus"), memory=Sum("memory_mb")):
        usage[project].update(gpus=gpus, cpus=cpus, memory_mb=memory)
    jobs = Job.objects.filter(state__in=[JobState.PENDING, *PLACED_STATES]).order_by().values_list("project", "state")
    for project, state, count in jobs.annotate(count=Count("pk")):
        usage[project]["waiting_jobs" if state == JobState.PENDING else "running_jobs"] += count
    return usage
