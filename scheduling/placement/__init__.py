"""On which nodes a job goes. A new strategy is a new file and a line in `FILES`.

May import nodes and the language of `scheduling`. Words: *strategy*, *place*, *fragmentation*.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module

from scheduling.errors import FieldError, InvalidError
from scheduling.placement.base import PlacementStrategy

__all__ = ["STRATEGIES", "PlacementStrategy", "strategy"]

FILES: Mapping[str, tuple[str, str]] = {
    "best_fit": ("best_fit", "BEST_FIT"),
    "first_fit": ("first_fit", "FIRST_FIT"),
    "spread": ("spread", "SPREAD"),
    "least_loaded": ("least_loaded", "LEAST_LOADED"),
    "affinity": ("affinity", "AFFINITY"),
    "fgd": ("fgd", "FGD"),
    "weighted": ("scores", "WEIGHTED"),
    "learned": ("learned", "LEARNED"),
    "auto": ("selector", "AUTO"),
}
"""By the name of a strategy: its module here, and what it is called there."""


class _Strategies(Mapping[str, PlacementStrategy]):
    """Loads a strategy when it is asked for: some need numpy, whose 15 MB an agent on a node has no use for."""

    def __getitem__(self, name: str) -> PlacementStrategy:
        module, variable = FILES[name]
        found: PlacementStrategy = getattr(import_module(f"{__name__}.{module}"), variable)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(FILES)

    def __len__(self) -> int:
        return len(FILES)


STRATEGIES: Mapping[str, PlacementStrategy] = _Strategies()


def strategy(name: str) -> PlacementStrategy:
    """The strategy of that name; an unknown name is refused with the names there are."""
    try:
        return STRATEGIES[name]
    except KeyError:
        known = ", ".join(sorted(STRATEGIES))
        raise InvalidError([FieldError("placement", f"There is no strategy {name!r}. Known are: {known}.")]) from None
