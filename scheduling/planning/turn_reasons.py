"""Under a floor: who may have room before its turn, what is told to those who may not, and to those whose turn has come."""

from collections.abc import Iterable, Iterator, Sequence

from scheduling.reasons import HOLDERS_SHOWN, Reason, ReasonCode, listed
from scheduling.rules import Rules
from scheduling.snapshot import Allocation, RunningJob, WaitingJob


def may_start_early(job: WaitingJob | RunningJob, rules: Rules) -> bool:
    """Whether it may have room before its turn: only who can be stopped again, and was not stopped too often."""
    return job.checkpointable and job.preemptible and job.preemptions < rules.preemption.max_per_job


class TurnReasons:
    """What the jobs of one pass are told of their turns. Jobs that are told the same share one reason."""

    def __init__(self, rules: Rules, running: Iterable[RunningJob]) -> None:
        self._rules = rules
        self._leaving = tuple([job for job in running if job.leaving])
        self._told: dict[str, Reason] = {}

    def not_yet(self, job: WaitingJob) -> Reason:
        """For one that would fit now, and may not start early."""
        why = listed(_obstacles(job, self._rules))
        sentence = (
            "There is room, but before its turn only a job may have it that saves its work and can be stopped again; "
            f"this one {why}."
        )
        return self._told.setdefault(sentence, Reason(ReasonCode.TURN, sentence))

    def yields(self, owners: Sequence[int]) -> Reason:
        """For one that would borrow what is being given back to these."""
        goes = "goes" if len(owners) == 1 else "go"
        sentence = f"It would borrow quota that is being given back to {_jobs(owners)}, which {goes} first."
        reason = Reason(ReasonCode.AHEAD, sentence, held_by=tuple(owners[:HOLDERS_SHOWN]))
        return self._told.setdefault(sentence, reason)

    def due(self, job: WaitingJob, place: Iterable[Allocation]) -> Reason:
        """For one whose turn has come, and whose place others have not left yet."""
        others = self._in_the_way(job, frozenset(share.node for share in place))
        if not others:
            return self._told.setdefault("", Reason(ReasonCode.DUE))
        has = "has" if len(others) == 1 else "have"
        sentence = f"Its turn has come: it starts as soon as {_jobs(others)} {has} stopped to make room for it."
        return Reason(ReasonCode.DUE, sentence, held_by=tuple(others[:HOLDERS_SHOWN]))

    def _in_the_way(self, job: WaitingJob, nodes: frozenset[str]) -> list[int]:
        """Those that were stopped for it; where nobody was, those that leave its nodes anyway."""
        own = [one.id for one in self._leaving if one.leaving_for == job.id]
        return own or [one.id for one in self._leaving if any(share.node in nodes for share in one.shares)]


def _jobs(numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"job {numbers[0]}"
    more = f" and {len(numbers) - HOLDERS_SHOWN} more" if len(numbers) > HOLDERS_SHOWN else ""
    return f"jobs {listed(map(str, numbers[:HOLDERS_SHOWN]))}{more}"


def _obstacles(job: WaitingJob, rules: Rules) -> Iterator[str]:
    if not job.checkpointable:
        yield "is not checkpointable"
    if not job.preemptible:
        yield "is not preemptible"
    most = rules.preemption.max_per_job
    if job.preemptions >= most:
        yield (
            f"was stopped {_times(job.preemptions)}, and no job is stopped more often"
            if most
            else "may never be stopped"
        )


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")
