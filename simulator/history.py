"""What the jobs that have ended say about those that come."""

from collections.abc import Mapping

from simulator.cleaning import CleanJob
from simulator.settings import RunTimes


class Learner:
    """Expects nothing: the planner knows only what the owner asked for."""

    def predict(self, job: CleanJob) -> float | None:  # noqa: ARG002 - for those who derive
        """How long the job is expected to run, at its submission."""
        return None

    def learn(self, job: CleanJob) -> None:
        """The job has ended."""


class LastTwo(Learner):
    """The mean of the user's last two run times, never more than the walltime (Tsafrir, Etzion, Feitelson, TPDS 2007)."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[float, ...]] = {}

    def predict(self, job: CleanJob) -> float | None:
        known = self._last.get(job.trace.user, ())
        if len(known) < 2:  # noqa: PLR2004 - the last two
            return None
        return min(sum(known) / len(known), job.walltime_s)

    def learn(self, job: CleanJob) -> None:
        user = job.trace.user
        self._last[user] = (*self._last.get(user, ())[-1:], job.run_s)


LEARNERS: Mapping[RunTimes, type[Learner]] = {RunTimes.LEARNED: LastTwo}


def learner(run_times: RunTimes) -> Learner:
    return LEARNERS.get(run_times, Learner)()
