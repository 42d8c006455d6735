"""Why jobs are where they are: what the plan says of it, as it is written down with their attempts and the cycle."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from scheduling.placement import STRATEGIES
from scheduling.plan_result import Candidate, Decision, PlannedJob

DIGITS = 6


def as_data(planned: PlannedJob, strategy: str) -> dict[str, Any]:
    """A few hundred bytes, however many nodes there are; of a strategy that does not score its name alone.

    `strategy` is the platform's.
    """
    decision = planned.decision
    return {"strategy": strategy} if decision is None else decision_data(decision)


def decision_data(decision: Decision) -> dict[str, Any]:
    """Without what is empty."""
    said = {
        "strategy": decision.strategy,
        "picked": decision.picked,
        "why": decision.why,
        "able": decision.able,
        "candidates": [candidate_data(one) for one in decision.candidates],
    }
    return {name: value for name, value in said.items() if value}


def told(data: Mapping[str, Any]) -> dict[str, Any]:
    """What was written down, whole: with the order of the strategy in words."""
    name = data.get("picked") or data["strategy"]
    order = STRATEGIES[name].order if name in STRATEGIES else ""
    return {"picked": "", "why": "", "able": None, "candidates": [], **data, "order": order}


def candidate_data(one: Candidate) -> dict[str, Any]:
    """A node with its score and what makes it up: of each criterion what it is, scaled from 0 to 1, and its weight."""
    return {
        "node": one.node,
        "score": one.score,
        "criteria": [
            {"name": part.name, "value": _rounded(part.value), "scaled": part.scaled, "weight": part.weight}
            for part in one.criteria
        ],
        "words": one.words,
    }


def picked(placements: Iterable[PlannedJob], strategy: str) -> list[Mapping[str, Any]]:
    """How many jobs went by which strategy, and why by that, the most first."""
    said = Counter(_by(one.decision, strategy) for one in placements)
    return [{"strategy": name, "why": why, "jobs": jobs} for (name, why), jobs in said.most_common()]


def _by(decision: Decision | None, strategy: str) -> tuple[str, str]:
    if decision is None:
        return strategy, ""
    return decision.picked or decision.strategy, decision.why


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{DIGITS}g}")
