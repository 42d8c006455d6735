"""Takes a trace from one instant to the next: who arrives and who ends there, in which order, and when there is a plan."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from simulator.cleaning import CleanJob
from simulator.clock import Clock
from simulator.history import Learner, learner
from simulator.outcome import Outcome
from simulator.settings import Settings, Ties

Progress = Callable[[int], None]
"""Told from time to time how many jobs have ended."""
TOLD_EVERY = 256


class EventLoop(ABC):
    """One replay. What arriving, ending and planning mean is for those who derive; they fill in the outcome."""

    def __init__(self, jobs: Sequence[CleanJob], settings: Settings) -> None:
        self.outcome = Outcome()
        self._settings = settings
        self._stops_jobs = settings.stops_jobs
        self._clock = Clock(jobs)
        self._learner: Learner = learner(settings.run_times)

    def run(self, told: Progress | None = None) -> Outcome:
        """Replay everything."""
        # Between the parts of an instant of pyss a job could be stopped whose end is still to be handled.
        in_parts = self._settings.ties is Ties.PYSS and not self._stops_jobs
        step = self._pyss_instant if in_parts else self._natural_instant
        untold = 0
        while (instant := self._clock.advance()) is not None:
            step(instant.arrivals, instant.ends)
            untold += len(instant.ends)
            if told and untold >= TOLD_EVERY:
                told(len(self.outcome.jobs))
                untold = 0
        return self.outcome

    def _natural_instant(self, arrivals: Sequence[CleanJob], ends: Sequence[int]) -> None:
        for number in ends:
            self._end(number)
        for job in arrivals:
            self._arrive(job)
        self._plan()

    def _pyss_instant(self, arrivals: Sequence[CleanJob], ends: Sequence[int]) -> None:
        """As the simulator pyss orders it.

        The room of a job that should have ended by now may be given away before its end is handled: for that moment the
        cluster holds more than it has.
        """
        for number in ends:
            self._vacate_if_due(number)
        for job in arrivals:
            self._arrive(job)
            self._plan()
        for number in ends:
            self._end(number)
            self._plan()

    @abstractmethod
    def _arrive(self, job: CleanJob) -> None:
        """The job waits from now on."""

    @abstractmethod
    def _vacate_if_due(self, number: int) -> None:
        """The job ends at this instant. If its limit is up, others may have its room before that."""

    @abstractmethod
    def _end(self, number: int) -> None:
        """The job has ended, and is an outcome."""

    @abstractmethod
    def _plan(self) -> None:
        """Start whom the plan starts, if anybody waits."""
