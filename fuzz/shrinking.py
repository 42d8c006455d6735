"""Leaves out jobs while the same finding stays."""

from fuzz.findings import Finding
from fuzz.play import Play
from fuzz.scenario import Scenario

MOST_TRIES = 60


def found_in(scenario: Scenario) -> Finding | None:
    try:
        Play(scenario).run()
    except Finding as found:
        return found
    return None


def shrunk(scenario: Scenario, found: Finding) -> tuple[Scenario, Finding]:
    """By halves, quarters and so on, as long as the tries last."""
    tries, size = MOST_TRIES, len(scenario.arrivals) // 2
    while size and tries:
        ids = [one.job.id for one in scenario.arrivals]
        for first in range(0, len(ids), size):
            left = scenario.with_jobs({one.job.id for one in scenario.arrivals} - set(ids[first : first + size]))
            tries -= 1
            again = found_in(left)
            if again is not None and again.check == found.check:
                scenario, found = left, again
            if not tries:
                break
        size //= 2
    return scenario, found
