"""The provider for a platform whose quotas nobody else keeps."""

from collections.abc import Mapping, Sequence

from quotas.providers.base import NO_LIMITS, Standing, wanted
from scheduling.errors import FieldError
from scheduling.resources import Request


class LocalQuotas:
    """What the tree of projects says, and the planner enforces (`scheduling/sharing`): nothing is asked and nothing kept in line."""

    kind = ""

    def get_quota(self, project_id: str) -> Standing | None:
        """The limits of the project's own row; what is used of them is derived from open placements, by others than this room."""
        limits = wanted(project_id).get(project_id, NO_LIMITS)
        return None if limits == NO_LIMITS else Standing(f"The quota of project {project_id}", limits)

    def check_quota(self, project_id: str, resources: Request, job_type: str) -> Sequence[FieldError]:
        """Nothing beside what submission asks of the tree anyway."""
        return ()

    def allocate_quota(self, project_id: str, resources: Request, job_id: int) -> None:
        """Changes nothing: a placement is the allocation."""

    def release_quota(self, project_id: str, resources: Request, job_id: int) -> None:
        """Changes nothing: its end is the release."""

    def sync(self, project_id: str | None = None) -> Mapping[str, Standing]:
        """There is nobody to be in line with."""
        return {}
