"""When a schedule is due: cron lines in a time zone, over changes of its clock as cron has it on Debian."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from scheduling.errors import FieldError, InvalidError


def read(cron: str, time_zone: str, after: datetime, *, reverse: bool = False) -> Iterator[datetime]:
    """The moments after this one, or before it, in UTC. Raises InvalidError, by field, also for a line that never comes true."""
    if time_zone not in available_timezones():
        raise InvalidError([FieldError("time_zone", "Is no time zone: write one such as Europe/Berlin or UTC.")])
    try:
        moments = CronSim(cron, after.astimezone(ZoneInfo(time_zone)), reverse=reverse)
    except CronSimError as error:
        words = f"{error}: write minute, hour, day, month and weekday, such as 30 2 * * MON-FRI."
        raise InvalidError([FieldError("cron", words)]) from None
    # In UTC, as a moment in the hour that comes twice equals no moment of another zone, not even itself.
    return (moment.astimezone(UTC) for moment in moments)


def following(cron: str, time_zone: str, after: datetime, until: datetime | None = None) -> datetime | None:
    """The first moment after this one; None: there is none, or none before `until`."""
    moment = next(read(cron, time_zone, after), None)
    return None if moment is None or (until is not None and moment > until) else moment


def latest(cron: str, time_zone: str, now: datetime) -> datetime:
    """The last moment until now, of a line that has had one."""
    backwards = read(cron, time_zone, now + timedelta(minutes=1), reverse=True)
    return next(moment for moment in backwards if moment <= now)


def is_late(moment: datetime, now: datetime, patience: float) -> bool:
    """Whether it was missed: nobody was there when it came."""
    return now - moment > timedelta(seconds=patience)
