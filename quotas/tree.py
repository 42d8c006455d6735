"""The tree of projects by their numbers, as it is now."""

from collections.abc import Mapping

from quotas.models import Project


def lines_up() -> dict[int, tuple[int, ...]]:
    """By project, it and all above it, the nearest first; in one statement."""
    parents = dict(Project.objects.values_list("pk", "parent_id"))
    return {project: _line(project, parents) for project in parents}


def _line(project: int, parents: Mapping[int, int | None]) -> tuple[int, ...]:
    found: dict[int, None] = {}
    at: int | None = project
    while at is not None and at not in found:
        found[at] = None
        at = parents.get(at)
    return tuple(found)
