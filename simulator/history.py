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
    """Expects what the platform would: by the last jobs of the same user, else of the same group."""

    def __init__(self) -> None:
        self._history = History()

    def predict(self, job: CleanJob) -> float | None:
        prediction = self._history.predict(_traits(job))
        return prediction.expected if prediction is not None and prediction.is_own else None

    def learn(self, job: CleanJob) -> None:
        self._history.observe(_traits(job), job.run_s)


LEARNERS: Mapping[RunTimes, type[Learner]] = {RunTimes.LEARNED: Learned}


def learner(run_times: RunTimes) -> Learner:
    return LEARNERS.get(run_times, Learner)()


def _traits(job: CleanJob) -> Traits:
    """A trace does not say what its jobs run, so jobs of one user are of one kind."""
    return Traits(project=job.trace.group, owner=job.trace.user, limit_seconds=job.walltime_s)
