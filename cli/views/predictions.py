"""Moments that are still to come, as one says them: how far off, and between when and when."""

from datetime import datetime, timedelta

from cli.client.requests import Row
from cli.durations import parse_timestamp, spell

AT_ONCE = timedelta(seconds=2)
TOO_FAR = "too far back in line to say when"


def spell_time_until(text: str | None, now: datetime) -> str:
    """How far off a moment is: `in 12m 05s (14:05:10)`, `now`; what is past is due now as well."""
    moment = parse_timestamp(text)
    if moment is None:
        return ""
    left = moment - now
    return "now" if left < AT_ONCE else f"in {spell(left.total_seconds())} ({_clock(moment, now)})"


def spell_start(start: Row | None, now: datetime) -> str:
    """When a job will start, with its interval as far as that is known."""
    if start is None:
        return ""
    if start.get("expected"):
        interval = _spell_interval(start, now)
        return ", ".join(part for part in (f"probably {spell_time_until(start['expected'], now)}", interval) if part)
    if start.get("soonest"):
        return f"not before {_at(start['soonest'], now)}; nobody can say when"
    looked = parse_timestamp(start.get("later_than"))
    if looked is not None:
        return TOO_FAR if looked <= now + AT_ONCE else f"later than {_clock(looked, now)}; nobody can say when"
    return "not as things are"


def spell_floor(text: str | None, now: datetime) -> str:
    """By when a job starts at the latest, where the platform keeps a floor under its wait."""
    ahead = spell_time_until(text, now)
    return f"{ahead}, by the limits of those before it" if ahead else ""


def start_of(job: Row) -> Row:
    """What a job's own row says of its start, in the words of an explanation."""
    return {
        "expected": job.get("predicted_start"),
        "soonest": job.get("predicted_start_soonest"),
        "latest": job.get("predicted_start_latest"),
    }


def _spell_interval(start: Row, now: datetime) -> str:
    soonest, latest = _at(start.get("soonest"), now), _at(start.get("latest"), now)
    if soonest and latest:
        return "" if soonest == latest else f"between {soonest} and {latest}"
    return f"not before {soonest}" if soonest else f"at the latest {latest}" if latest else ""


def _at(text: str | None, now: datetime) -> str:
    moment = parse_timestamp(text)
    return _clock(moment, now) if moment else ""


def _clock(moment: datetime, now: datetime) -> str:
    """In local time: the time of day if it is today's, else with the day."""
    local = moment.astimezone()
    return local.strftime("%H:%M:%S" if local.date() == now.astimezone().date() else "%a %d %b %H:%M")
