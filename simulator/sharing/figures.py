"""What projects and prices say of a replay: figures beside those of its waits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from scheduling.resources import Request
from simulator.cleaning import CleanJob
from simulator.cluster import Cluster
from simulator.outcome import Outcome
from simulator.sharing.costs import costs
from simulator.sharing.fairness import fairness
from simulator.sharing.loans import loan_hours
from simulator.sharing.price_table import PriceTable
from simulator.sharing.projects import Projects


@dataclass(frozen=True, slots=True)
class Sharing:
    """The projects and the prices of a simulation, where it has any."""

    projects: Projects | None = None
    prices: PriceTable | None = None

    def figures(
        self, outcome: Outcome, jobs: Sequence[CleanJob], cluster: Cluster, requests: Mapping[int, Request]
    ) -> dict[str, Any]:
        """Fields of `simulator.metrics.Metrics`."""
        found: dict[str, Any] = {}
        if self.prices is not None:
            paid = costs(outcome.runs, requests, cluster, self.prices)
            found |= {"cost": paid.paid, "lost_cost": paid.lost}
        if self.projects is not None:
            found |= _of_projects(self.projects, outcome, jobs, cluster, requests)
        return found


def _of_projects(
    projects: Projects, outcome: Outcome, jobs: Sequence[CleanJob], cluster: Cluster, requests: Mapping[int, Request]
) -> dict[str, Any]:
    whose = {job.number: projects.of(job.trace) for job in jobs}
    loans = loan_hours(outcome.runs, requests, whose, projects.views, cluster.unit)
    fair = fairness(outcome, requests, whose, projects.views)
    return {
        "borrowed_hours": loans.borrowed,
        "lent_hours": loans.lent,
        "project_fairness": fair.by_project,
        "user_fairness": fair.by_user,
        "given_back": len(outcome.quota_waits),
        "mean_quota_wait_s": fmean(outcome.quota_waits) if outcome.quota_waits else None,
        "max_quota_wait_s": max(outcome.quota_waits, default=None),
    }
