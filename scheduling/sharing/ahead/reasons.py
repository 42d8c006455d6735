"""GPU time ahead in words: why a quota lets no more of it start now, with what it would, and when what runs leaves enough."""

from collections.abc import Iterable, Iterator

from scheduling.errors import FieldError
from scheduling.reasons import HOLDERS_SHOWN, Reason, ReasonCode, listed, number, quantity, spelt, spelt_moment
from scheduling.resources import Request
from scheduling.sharing.ahead.meter import NAME, in_seconds, most_of, needed
from scheduling.sharing.ahead.room import NEVER, AheadRoom, Lack, too_long
from scheduling.sharing.budget_reasons import longest_paid
from scheduling.snapshot import ProjectView, WaitingJob


def ahead_reasons(room: AheadRoom, job: WaitingJob, limit: float, assumed: float) -> tuple[Reason, ...]:
    """Of each level that refuses the job now. `assumed` is how long it would run without a limit of its own."""
    longest = longest_paid(lambda seconds: room.allows(job, seconds), limit if limit < NEVER else assumed)
    start = room.earliest(job, limit, room.now)
    return tuple([_reason(lack, room, job, limit, longest, start) for lack in room.lacks(job, limit)])


def _reason(lack: Lack, room: AheadRoom, job: WaitingJob, limit: float, longest: int | None, start: float) -> Reason:
    """For example: "The quota of project vision allows 100 GPU-hours ahead (80 now); this job may use 24 up to its limit of 8h. ..."."""
    level, first, taken = lack.level, tuple(sorted(lack.kept)), room.taken(lack.level.slug)
    now = [f"{_told(taken)} now"]
    if first:
        jobs = listed(str(one) for one in first[:HOLDERS_SHOWN])
        now.append(f"{_told(sum(lack.kept.values()))} kept for job{'s' if len(first) > 1 else ''} {jobs}")
    uses, asks = "this job has no time limit, so nobody knows what it will use", 0
    if limit < NEVER:
        asks = needed(job.request.total.all_gpu_milli, limit)
        uses = f"this job may use {_told(asks)} up to its limit of {spelt(int(limit))}"
    sentence = (
        f"{level.allows} {_allowed(lack.most)} ({listed(now)}); {uses}. {_way_out(job, level, limit, longest, start)}"
    )
    if limit < NEVER and taken + asks <= lack.most:  # only what is kept for others is in its way
        return Reason(ReasonCode.AHEAD, sentence, held_by=first[:HOLDERS_SHOWN], subject=level.slug)
    holders = room.holders(level.slug)[:HOLDERS_SHOWN]
    return Reason(
        level.code,
        sentence,
        {NAME: in_seconds(max(0, taken + asks - lack.most))},
        held_by=tuple([one for one, _ in holders]),
        subject=level.slug,
        holds={one: {NAME: in_seconds(ahead)} for one, ahead in holders},
    )


def _way_out(job: WaitingJob, level: ProjectView, limit: float, longest: int | None, start: float) -> str:
    """The change that would start it, and when nothing has to change."""
    if limit < NEVER and too_long(job.request.total.all_gpu_milli, limit, [level]):
        return f"It can never start like this: {_smaller(job.request, level)}."
    words = [] if longest is None else [f"With a limit of {spelt(longest)} it would start now."]
    if start < NEVER:
        moment = spelt_moment(start, to_the_second=True)
        words.append(f"What runs leaves enough at {moment} at the latest.")
    elif limit < NEVER:
        words.append("As long as others stand still nobody knows when it will be enough.")
    return " ".join(words) or "It can only start with one (max_runtime_seconds)."


def ahead_faults(request: Request, limit: int | None, levels: Iterable[ProjectView]) -> Iterator[FieldError]:
    """What a job would be refused for as it is submitted: one error for each level under which it could never start."""
    for level in too_long(request.total.all_gpu_milli, limit or NEVER, levels):
        most = _allowed(most_of(level.limits) or 0)
        if limit is None:
            words = (
                f"{level.allows} {most} (what running jobs may still use up to their limits), so a job with GPUs "
                f"needs a time limit: {_smaller(request, level)}."
            )
            yield FieldError("max_runtime_seconds", words, "quota")
        else:
            own = _told(needed(request.total.all_gpu_milli, limit))
            words = f"{level.allows} {most}; this job alone may use {own} up to its limit of {spelt(limit)}: {_smaller(request, level)}."
            yield FieldError("max_runtime_seconds", words, "quota")


def _smaller(request: Request, level: ProjectView) -> str:
    seconds = (most_of(level.limits) or 0) // request.total.all_gpu_milli
    fewer = "ask for fewer GPUs" if request.total.all_gpus > 1 else "have it raised"
    return f"set one of at most {spelt(seconds)}, or {fewer}" if seconds else f"{fewer}"


def _allowed(most: int) -> str:
    return quantity(NAME, in_seconds(most))


def _told(amount: int) -> str:
    return number(NAME, in_seconds(amount))
