"""What follows from projects and their quotas alone: kept from pass to pass, as they change seldom and cycles are many."""

from dataclasses import replace
from functools import lru_cache
from typing import TypeAlias

from scheduling.sharing.cohort_tree import CohortTree
from scheduling.sharing.cohorts import Cohorts
from scheduling.sharing.ledger import Cells, Checks, Ledger
from scheduling.sharing.quota_profile import Limit, limits_of_projects
from scheduling.sharing.quotas import enforced
from scheduling.sharing.shortages import Shortages
from scheduling.snapshot import ProjectView, chain_of

Projects: TypeAlias = tuple[ProjectView, ...]
OfLimits: TypeAlias = tuple[tuple[Limit, ...], Checks]
"""All that a job counts under, and what in a ledger tells soonest that none of it refuses the job."""


class QuotaLevels:
    """Of one tree of projects. Each project is worked out when it is first asked for."""

    def __init__(self, projects: Projects) -> None:
        self.projects = {one.slug: one for one in projects}
        self.cohorts = Cohorts.of(projects)
        limiting = any(map(enforced, projects))  # else nothing has to be counted
        self.cells = Cells(self.cohorts.tree if self.cohorts else CohortTree(projects if limiting else ()))
        self.never = Shortages(Ledger.of(self.cells, ()))  # what is missing where nobody holds anything
        self._chains: dict[str, Projects] = {}
        self._limits: dict[tuple[str, bool], OfLimits] = {}

    def chain(self, slug: str) -> Projects:
        """The project and all above it, as far as their quotas count: only enforced ones can refuse."""
        found = self._chains.get(slug)
        if found is None:
            enforcing = [one for one in chain_of(slug, self.projects) if enforced(one) is not None]
            found = self._chains[slug] = tuple(enforcing)
        return found

    def limits(self, slug: str, *, firm: bool) -> OfLimits:
        """Of the project's jobs; `firm`: of those that may not be stopped again."""
        found = self._limits.get((slug, firm))
        if found is None:
            chain = self.chain(slug)
            over = limits_of_projects(chain, self.cohorts, firm=firm)
            limits = tuple(
                [replace(one, checks=self.cells.of_limit(one.name, one.resource, firm=firm)) for one in over]
            )
            checks = self.cells.checks(chain[0].slug, firm=firm) if chain else ()
            found = self._limits[slug, firm] = (limits, checks)
        return found


@lru_cache(maxsize=8)
def quota_levels(projects: Projects) -> QuotaLevels:
    """The same one for the same projects."""
    return QuotaLevels(projects)
