"""Who may do what in which project. Membership in a project reaches down to everything below it."""

from collections import defaultdict

from django.contrib.auth.models import User

from quotas.models import Membership, Project

Role = Membership.Role
STRENGTH = {Role.VIEWER: 0, Role.MEMBER: 1, Role.ADMIN: 2}


def project_roles(user: User) -> dict[int, str]:
    """The strongest role of `user` in every project that they can see, by the project's id.

    Staff are admins of every project; a role in a project holds for all its descendants.
    """
    parents = dict(Project.objects.values_list("pk", "parent_id"))
    if user.is_staff:
        return dict.fromkeys(parents, str(Role.ADMIN))
    children: dict[int | None, list[int]] = defaultdict(list)
    for project_id, parent_id in parents.items():
        children[parent_id].append(project_id)
    own = dict(Membership.objects.filter(user_id=user.pk).values_list("project_id", "role"))
    roles: dict[int, str] = {}
    todo: list[tuple[int, str | None]] = [(top, None) for top in children[None]]
    while todo:
        project_id, inherited = todo.pop()
        role = _stronger(own.get(project_id), inherited)
        if role is not None:
            roles[project_id] = role
        todo += [(child, role) for child in children[project_id]]
    return roles


def _stronger(one: str | None, other: str | None) -> str | None:
    if one is None or other is None:
        return one or other
    return max(one, other, key=lambda role: STRENGTH[Role(role)])
