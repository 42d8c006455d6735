"""Setting what a project may hold at once."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User

from quotas.models import Project, Quota
from quotas.queries import administers
from scheduling.errors import ForbiddenError


def set_limits(*, project: Project, actor: User, limits: Mapping[str, Any], enforced: bool | None = None) -> Quota:
    """Change the named limits of the project's quota; None takes a limit away. GPUs by model are set all together.

    A quota is what somebody above grants: an admin of a parent project may set it, or staff; the project's own admins
    may not raise their own.
    """
    if not administers(actor, project.parent_id):
        raise ForbiddenError(f"The quota of project {project} is set by staff, or by an admin of a project above it.")
    changes = dict(limits) if enforced is None else {**limits, "enforced": enforced}
    return Quota.objects.update_or_create(project=project, defaults=changes)[0]
