"""How much work a forecast may be."""

from dataclasses import dataclass

from scheduling.rules import DAY


@dataclass(frozen=True, slots=True)
class Effort:
    """How much work a forecast may be.

    Its cost is at most three times `plans` plans of four times `jobs` waiting jobs; one time more where a floor is kept.
    `usual_lag` and `worst_lag` are the seconds that a place stays empty between two jobs, as one ends and the next begins.
    """

    jobs: int = 200  # the head of the line; who stands behind it is not foretold
    plans: int = 200  # where more ends lie ahead, several are taken at a time: the further away, the coarser
    horizon_seconds: float = 30 * DAY
    usual_lag: float = 0.0
    worst_lag: float = 0.0


THOROUGH = Effort()
