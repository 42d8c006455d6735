"""The block of a job's page that says when it will start: why not now, who holds what it needs, what would start it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import User

from console.admin import cells
from jobs.models import Job
from jobs.planning.start_forecasts import moment
from jobs.reports.explain import Explanation, Holder, explain
from scheduling.forecast.forecast import Forecast
from scheduling.reasons import Reason, listed, quantity


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the scheduler says of a waiting job, in words; `reasons` are sentences, each with the time when it clears."""

    position: str
    starts: str
    interval: str
    floor: str
    room: str
    gives_way: str
    reasons: tuple[tuple[str, str], ...]
    holders: tuple[tuple[Holder, str, str], ...]  # what each has of a quota, and when it ends
    changes: tuple[str, ...]


def outlook(job: Job, user: User, now: datetime) -> Outlook | None:
    """None if the job has left the line meanwhile."""
    told = explain(job, user)
    if told.start is None:
        return None
    return Outlook(
        position=_place(told),
        starts=f"now, on {listed(told.nodes)}" if told.starts_now else starts(told.start, now),
        interval="" if told.starts_now else interval(told.start, now),
        floor="" if told.starts_now else time_until(moment(told.start.floor), now),
        room=_room_outlook(told, now),
        gives_way=listed(f"job {one.job_id}" for one in told.gives_way) if told.gives_way else "",
        reasons=tuple((one.sentence, time_until(moment(one.expected_clear), now)) for one in told.reasons),
        holders=tuple((one, _allocated(one, told.reasons), time_until(one.expected_end, now)) for one in told.holders),
        changes=tuple(one.sentence for one in told.changes),
    )


def _place(told: Explanation) -> str:
    if told.starts_now:
        return "next"
    return f"{told.position} of {told.line_length}" if told.position else "none: it could not start if there was room"


def _allocated(one: Holder, reasons: Iterable[Reason]) -> str:
    amounts = {name: held for reason in reasons for name, held in reason.holds.get(one.job.pk, {}).items()}
    return listed(quantity(name, held) for name, held in amounts.items()) if amounts else ""


def starts(start: Forecast, now: datetime) -> str:
    """When the job probably starts, or why nobody can say."""
    if start.expected is not None:
        return f"probably {time_until(moment(start.expected), now)}"
    if start.later_than is not None and start.later_than <= now.timestamp() + 1:
        return "too far back in line to say when"
    if start.later_than is not None:
        return f"later than {clock(moment(start.later_than), now)}"
    return "not as things are"


def interval(start: Forecast, now: datetime) -> str:
    soonest, latest = clock(moment(start.soonest), now), clock(moment(start.latest), now)
    if soonest and latest:
        return f"between {soonest} and {latest}"
    return f"not before {soonest}" if soonest else ""


def time_until(at: datetime | None, now: datetime) -> str:
    """How far off: "in 12m 05s (14:05:10)", "now"."""
    if at is None:
        return ""
    return "now" if at - now < timedelta(seconds=2) else f"in {cells.duration(at - now)} ({clock(at, now)})"


def clock(at: datetime | None, now: datetime) -> str:
    """The time of day if it is today's, else with the day; in UTC, and says so, as all times in the admin."""
    if at is None:
        return ""
    return at.strftime("%H:%M:%S UTC" if at.date() == now.date() else "%Y-%m-%d %H:%M UTC")


def _room_outlook(told: Explanation, now: datetime) -> str:
    kept = told.reservation
    if kept is None:
        return ""
    where = f"on {listed(share.node for share in kept.shares)}" if kept.shares else "in its quotas and its queue"
    return f"{where}, from {clock(moment(kept.start), now)} at the latest"
