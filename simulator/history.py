"""What the jobs that have ended say about those that come."""

from collections.abc import Mapping

from scheduling.forecast.runtime_prediction import History, Traits
from simulator.cleaning import CleanJob
from simulator.settings import RunTimes


class Learner:
    """Expects nothing: the planner knows only what the owner asked for."""

    def predict(self, job: CleanJob) -> float | None:  # noqa: ARG002 - for those who derive
        """How long the job is expected to run, at its submission."""
        return None

    def learn(self, job: CleanJob) -> None:
        """The job has ended."""


class Learned(Learner):
    """Expects what the platform would, by the last jobs of the same user.

    A trace does not say what its jobs run, so those of one user are of one kind.
    """

    def __init__(self) -> None:
        self._history = History()
        self._usual: dict[tuple[str, str], float | None] = {}  # of groups' users, until the next of their jobs ends

    def predict(self, job: CleanJob) -> float | None:
        who = (job.trace.group, job.trace.user)
        if who not in self._usual:
            self._usual[who] = self._history.expect(Traits(*who))
        usual = self._usual[who]
        # As the platform does it: the limit caps what is usual, whatever it is.
        return usual if usual is None or job.walltime_s is None else min(usual, job.walltime_s)

    def learn(self, job: CleanJob) -> None:
        who = (job.trace.group, job.trace.user)
        self._history.observe(Traits(*who, limit_seconds=job.walltime_s), job.run_s)
        self._usual.pop(who, None)


LEARNERS: Mapping[RunTimes, type[Learner]] = {RunTimes.LEARNED: Learned}


def learner(run_times: RunTimes) -> Learner:
    return LEARNERS.get(run_times, Learner)()
