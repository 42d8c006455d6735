"""On which nodes a job goes. A new strategy is a new file and a line in `STRATEGIES`."""

from collections.abc import Mapping

from scheduling.errors import FieldError, InvalidError
from scheduling.placement.base import PlacementStrategy
from scheduling.placement.best_fit import BEST_FIT

__all__ = ["STRATEGIES", "PlacementStrategy", "strategy"]

STRATEGIES: Mapping[str, PlacementStrategy] = {one.name: one for one in (BEST_FIT,)}


def strategy(name: str) -> PlacementStrategy:
    """The strategy of that name; an unknown name is refused with the names there are."""
    try:
        return STRATEGIES[name]
    except KeyError:
        known = ", ".join(sorted(STRATEGIES))
        raise InvalidError([FieldError("placement", f"There is no strategy {name!r}. Known are: {known}.")]) from None
