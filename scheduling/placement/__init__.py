"""On which nodes a job goes. A new strategy is a new file and a line in `STRATEGIES`."""

from collections.abc import Mapping

from scheduling.errors import FieldError, InvalidError
from scheduling.placement.affinity import AFFINITY
from scheduling.placement.base import PlacementStrategy
from scheduling.placement.best_fit import BEST_FIT
from scheduling.placement.fgd import FGD
from scheduling.placement.first_fit import FIRST_FIT
from scheduling.placement.genetic import GENETIC
from scheduling.placement.least_loaded import LEAST_LOADED
from scheduling.placement.min_cost import MIN_COST
from scheduling.placement.scores import WEIGHTED
from scheduling.placement.selector import AUTO
from scheduling.placement.spread import SPREAD

__all__ = ["STRATEGIES", "PlacementStrategy", "strategy"]

STRATEGIES: Mapping[str, PlacementStrategy] = {
    one.name: one
    for one in (BEST_FIT, FIRST_FIT, SPREAD, LEAST_LOADED, AFFINITY, FGD, WEIGHTED, AUTO, MIN_COST, GENETIC)
}


def strategy(name: str) -> PlacementStrategy:
    """The strategy of that name; an unknown name is refused with the names there are."""
    try:
        return STRATEGIES[name]
    except KeyError:
        known = ", ".join(sorted(STRATEGIES))
        raise InvalidError([FieldError("placement", f"There is no strategy {name!r}. Known are: {known}.")]) from None
