"""What is written down of a queue's weights, checked."""

import math
from collections.abc import Mapping
from dataclasses import asdict

from scheduling.errors import FieldError, InvalidError
from scheduling.rules import PlacementWeights

MOST = 1_000
USUAL = asdict(PlacementWeights())


def weights_from(data: Mapping[str, object]) -> PlacementWeights:
    """The weights that these are; what is not named counts as usual. Refuses what are none, by the criterion's name."""
    unknown = [
        _refused(name, f"There is no such criterion. Known are: {', '.join(USUAL)}.")
        for name in data.keys() - USUAL.keys()
    ]
    wrong = [_refused(name, f"A number from 0 to {MOST:,}.") for name in USUAL if not _is_weight(data.get(name, 0))]
    if unknown or wrong:
        raise InvalidError([*sorted(unknown, key=lambda one: one.field), *wrong])
    weights = {name: float(str(data.get(name, usual))) for name, usual in USUAL.items()}
    if not any(weights.values()):
        raise InvalidError([FieldError("placement_weights", "One of them must be more than 0.")])
    return PlacementWeights(**weights)


def _is_weight(value: object) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and 0 <= value <= MOST
    )


def _refused(name: str, message: str) -> FieldError:
    return FieldError(f"placement_weights.{name}", message)
