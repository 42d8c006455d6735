"""How waiting jobs are ordered. A new policy is a new file and a line in `BUILT_IN`, or a plugin that registers itself.

May import sharing and what is below it. Words: *policy*, *rank*.
"""

from scheduling.errors import FieldError, InvalidError
from scheduling.policies.backfill import BackfillPolicy
from scheduling.policies.base import SchedulingPolicy
from scheduling.policies.edf import EarliestDeadline
from scheduling.policies.fairshare import FairShare
from scheduling.policies.fifo import Fifo
from scheduling.policies.floor import Floor
from scheduling.policies.multifactor import Multifactor
from scheduling.policies.priority import Priority
from scheduling.policies.responsive import Responsive
from scheduling.policies.sjf import ShortestFirst
from scheduling.rules import Backfill, Rules

__all__ = ["BUILT_IN", "POLICIES", "Fifo", "Priority", "SchedulingPolicy", "backfill_mode", "policy", "register"]

BUILT_IN = (
    Fifo(), Priority(), FairShare(), BackfillPolicy(), ShortestFirst(), EarliestDeadline(), Multifactor(), Responsive(),
    Floor(),
)  # fmt: skip
POLICIES: dict[str, SchedulingPolicy] = {one.name: one for one in BUILT_IN}


def policy(name: str) -> SchedulingPolicy:
    """The policy of that name; an unknown name is refused with the names there are."""
    try:
        return POLICIES[name]
    except KeyError:
        known = ", ".join(sorted(POLICIES))
        raise InvalidError([FieldError("policy", f"There is no policy {name!r}. Known are: {known}.")]) from None


def register(one: SchedulingPolicy) -> None:
    """Make a policy known by its name. Raises InvalidError when the name is empty or belongs to another one."""
    if not one.name or type(POLICIES.get(one.name, one)) is not type(one):
        raise InvalidError([FieldError("policy", f"A policy needs a name of its own; {one.name!r} is none.")])
    POLICIES[one.name] = one


def backfill_mode(rules: Rules) -> Backfill:
    """What may start out of order: the rules say, but the policy `backfill` never goes without."""
    if rules.backfill is Backfill.NONE and rules.policy == BackfillPolicy.name:
        return Backfill.EASY
    return Backfill(rules.backfill)
