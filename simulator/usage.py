"""Who has used how much, for the policies that share fairly."""

from collections.abc import Iterable

from scheduling.rules import Rules
from scheduling.sharing.usage_decay import gpu_equivalents
from scheduling.snapshot import RunningJob, UsageView

NEEDED_BY = ("fairshare", "multifactor")
NOTHING = 1.0
"""Below so many seconds an account is taken to have used nothing, and forgotten."""


class Usage:
    """Width x seconds of each project and owner, halved with each half-life.

    Where the rules do not ask for it (`is_needed`) nothing is kept.
    """

    def __init__(self, rules: Rules) -> None:
        self.is_needed = rules.policy in NEEDED_BY or "reclaim" in rules.preemption.strategies
        self._half_life = rules.half_life_seconds
        self._used: dict[tuple[str, str], float] = {}
        self._at = 0.0

    def charge(self, job: RunningJob, now: float) -> None:
        """The job has left its nodes."""
        if self.is_needed:
            self._decay(now)
            account = (job.project, job.owner)
            self._used[account] = self._used.get(account, 0.0) + _seconds(job, now)

    def at(self, now: float, running: Iterable[RunningJob]) -> tuple[UsageView, ...]:
        """What each account has used until now, the jobs that run included."""
        if not self.is_needed:
            return ()
        self._decay(now)
        used = dict(self._used)
        for job in running:
            account = (job.project, job.owner)
            used[account] = used.get(account, 0.0) + _seconds(job, now)
        return tuple(UsageView(project, owner, seconds) for (project, owner), seconds in used.items())

    def _decay(self, now: float) -> None:
        if now > self._at:
            left = 0.5 ** ((now - self._at) / self._half_life)
            self._used = {account: used * left for account, used in self._used.items() if used * left >= NOTHING}
            self._at = now


def _seconds(job: RunningJob, now: float) -> float:
    width = sum(gpu_equivalents(share.amount) for share in job.shares)
    return width * (0.0 if job.started_at is None else now - job.started_at)
