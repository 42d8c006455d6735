"""The settings of the scheduler that staff may set while it runs: what each is called, does, and may be.

How usage decays stays with the environment: agents charge by it as well.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from scheduling import placement
from scheduling.planning.stops.preemption import STRATEGIES
from scheduling.policies import POLICIES
from scheduling.rules import Backfill, Weights

REBALANCING_MODES = ("off", "propose", "on")
MOST = 10**9


@dataclass(frozen=True, slots=True)
class Tunable:
    """One of them. `fault` says what is wrong with a value, and what would be right; empty: nothing."""

    setting: str
    kind: str  # word, words, number, whole, yes_no or weights
    help: str
    known: Callable[[], Iterable[str]] = tuple  # the words that it may be, or be made of
    least: float = 0
    most: float = MOST

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return self.setting if self.setting == "SCHEDULING_POLICY" else f"TRAINYARD_{self.setting}"

    def fault(self, value: Any) -> str:
        return FAULTS[self.kind](self, value)


def _word(one: Tunable, value: Any) -> str:
    known = sorted(one.known())
    return "" if isinstance(value, str) and value in known else f"Must be one of {', '.join(known)}."


def _words(one: Tunable, value: Any) -> str:
    known = sorted(one.known())
    right = isinstance(value, list) and all(isinstance(word, str) and word in known for word in value)
    return (
        "" if right and len(set(value)) == len(value) else f"Must be a list of some of {', '.join(known)}, each once."
    )


def _number(one: Tunable, value: Any) -> str:
    right = isinstance(value, int | float) and not isinstance(value, bool) and one.least <= value <= one.most
    return "" if right else f"Must be a number from {one.least:g} to {one.most:g}."


def _whole(one: Tunable, value: Any) -> str:
    right = isinstance(value, int) and not isinstance(value, bool) and one.least <= value <= one.most
    return "" if right else f"Must be a whole number from {one.least:g} to {one.most:g}."


def _yes_no(_: Tunable, value: Any) -> str:
    return "" if isinstance(value, bool) else "Must be true or false."


def _weights(one: Tunable, value: Any) -> str:
    known = sorted(one.known())
    right = isinstance(value, Mapping) and all(
        name in known and isinstance(number, int | float) and not isinstance(number, bool) and 0 <= number <= one.most
        for name, number in value.items()
    )
    return "" if right else f"Must be numbers of at least 0 by some of {', '.join(known)}."


FAULTS: Mapping[str, Callable[[Tunable, Any], str]] = {
    "word": _word,
    "words": _words,
    "number": _number,
    "whole": _whole,
    "yes_no": _yes_no,
    "weights": _weights,
}
TUNABLES: Mapping[str, Tunable] = {
    "policy": Tunable("SCHEDULING_POLICY", "word", "The order of queues that name no policy of their own.", lambda: POLICIES),
    "backfill": Tunable("BACKFILL", "word", "What may start while the first in line waits for room.", lambda: Backfill),
    "placement": Tunable("PLACEMENT", "word", "By what a job's nodes are chosen.", lambda: placement.STRATEGIES),
    "reserve_depth": Tunable("RESERVE_DEPTH", "whole", "So many jobs that find no room get a reservation.", least=1),
    "bounded_wait_seconds": Tunable(
        "BOUNDED_WAIT_SECONDS", "number", "Who has waited so long gets a reservation whatever its policy; 0: nobody."
    ),
    "assumed_limit_seconds": Tunable(
        "ASSUMED_LIMIT_SECONDS", "number", "How long a job without a limit is taken to run.", least=1
    ),
    "ageing_points_per_hour": Tunable(
        "AGEING_POINTS_PER_HOUR", "number", "What the policy `priority` adds as a job waits."
    ),
    "weights": Tunable(
        "WEIGHTS", "weights", "How much each factor counts in the policy `multifactor`.", lambda: [one.name for one in fields(Weights)]
    ),
    "preemption": Tunable("PREEMPTION", "words", "By which strategies running jobs give way.", lambda: STRATEGIES),
    "preemption_gap": Tunable(
        "PREEMPTION_GAP", "whole", "By so much the priority of who is helped must be higher.", least=1, most=100
    ),
    "preemption_min_runtime_seconds": Tunable(
        "PREEMPTION_MIN_RUNTIME_SECONDS", "number", "Who has run for less is not stopped."
    ),
    "preemption_max_per_job": Tunable("PREEMPTION_MAX_PER_JOB", "whole", "So often one job gives way at the most."),
    "preemption_max_per_hour": Tunable("PREEMPTION_MAX_PER_HOUR", "whole", "So many jobs give way in an hour at the most."),
    "preemption_only_checkpointable": Tunable(
        "PREEMPTION_ONLY_CHECKPOINTABLE", "yes_no", "Who cannot save its work is left alone."
    ),
    "floor_slack": Tunable(
        "FLOOR_SLACK", "number", "The part of the longest wait by which the promises of a floor may be later.", most=1
    ),
    "floor_tolerance_seconds": Tunable("FLOOR_TOLERANCE_SECONDS", "number", "A promise that is kept so late counts as kept."),
    "rebalancing": Tunable(
        "REBALANCING", "word", "Whether running jobs are moved so that a wider one fits.", lambda: REBALANCING_MODES
    ),
    "rebalancing_margin": Tunable(
        "REBALANCING_MARGIN", "number", "How many times its cost a move must gain.", least=1
    ),
    "rebalancing_cooldown_seconds": Tunable(
        "REBALANCING_COOLDOWN_SECONDS", "number", "Who has run for less stays where it is."
    ),
    "rebalancing_max_per_hour": Tunable("REBALANCING_MAX_PER_HOUR", "whole", "So many jobs are moved in an hour at the most."),
}  # fmt: skip
