"""How waiting jobs are ordered. A new policy is a new file and a line in `POLICIES`."""

from collections.abc import Mapping

from scheduling.errors import FieldError, InvalidError
from scheduling.policies.base import SchedulingPolicy
from scheduling.policies.fifo import Fifo
from scheduling.policies.priority import Priority

__all__ = ["POLICIES", "Fifo", "Priority", "SchedulingPolicy", "policy"]

POLICIES: Mapping[str, SchedulingPolicy] = {one.name: one for one in (Fifo(), Priority())}


def policy(name: str) -> SchedulingPolicy:
    """The policy of that name; an unknown name is refused with the names there are."""
    try:
        return POLICIES[name]
    except KeyError:
        known = ", ".join(sorted(POLICIES))
        raise InvalidError([FieldError("policy", f"There is no policy {name!r}. Known are: {known}.")]) from None
