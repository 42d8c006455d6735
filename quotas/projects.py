"""Making projects and changing them. The tree stays a tree, also when two people move its branches at once."""

from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from quotas.models import Project
from quotas.queries import administers, visible_projects
from scheduling.errors import FieldError, ForbiddenError, InvalidError


@transaction.atomic
def create(*, actor: User, slug: str, name: str = "", parent: str | None = None, weight: float = 1) -> Project:
    """A new project. Its place decides who may: an admin of the parent; staff alone where there is none."""
    above = _parent(actor, parent)
    if Project.objects.filter(slug=slug).exists():
        raise InvalidError([FieldError("slug", f"There is a project {slug} already.", "taken")])
    return Project.objects.create(slug=slug, name=name, parent=above, weight=weight)


@transaction.atomic
def change(*, project: Project, actor: User, **fields: Any) -> Project:
    """Set `name`, `archived`, `weight` or `parent` (a slug, or None).

    To move a project takes rights where it was and where it goes. Its weight is what somebody above grants, like its quota.
    """
    if not administers(actor, project.pk):
        raise ForbiddenError(f"Only an admin of project {project} may change it.")
    if fields.get("weight", project.weight) != project.weight and not administers(actor, project.parent_id):
        raise ForbiddenError(f"The weight of project {project} is set by staff, or by an admin of a project above it.")
    if "parent" in fields:
        fields["parent"] = _new_parent(project, actor, fields["parent"])
    for name, value in fields.items():
        setattr(project, name, value)
    project.save(update_fields=list(fields))
    return project


def _new_parent(project: Project, actor: User, slug: str | None) -> Project | None:
    # Every row of the tree is locked: without it two moves at once could make a circle that neither of them sees.
    list(Project.objects.select_for_update().order_by("pk").values_list("pk"))
    project.refresh_from_db(fields=["parent"])
    if slug == (project.parent and project.parent.slug):
        return project.parent
    if not administers(actor, project.parent_id):
        raise ForbiddenError(f"Only an admin of what is above project {project} may move it.")
    above = _parent(actor, slug)
    if above is not None and project.contains(above):
        raise InvalidError([FieldError("parent", f"{above} is this project itself or lies below it.", "circle")])
    return above


def _parent(actor: User, slug: str | None) -> Project | None:
    if slug is None:
        if not actor.is_staff:
            raise ForbiddenError("Only staff may put a project at the top of the tree.")
        return None
    parent = visible_projects(actor).filter(slug=slug).first()
    if parent is None:
        raise InvalidError([FieldError("parent", f"There is no project {slug!r} that you belong to.", "unknown")])
    if not administers(actor, parent.pk):
        raise ForbiddenError(f"Only an admin of project {parent} may put projects below it.")
    return parent
