"""Lengths of time and moments, as people write and read them."""

import re
from datetime import datetime, timedelta

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
WRITTEN = re.compile(r"([0-9]{1,12}(\.[0-9]{1,6})?[smhdw])+")
PART = re.compile(r"([0-9.]+)([smhdw])")


def parse_duration(text: str) -> int:
    """Whole seconds from `90`, `30m`, `2h`, `1h30m` or `1d`; a number alone is seconds."""
    written = text.strip().lower()
    seconds = _seconds(f"{written}s" if written.isdecimal() else written)
    if seconds < 1:
        raise ValueError(f"'{text}' is not a length of time: write 90 (seconds), 30m, 2h, 1h30m or 1d.")
    return seconds


def _seconds(written: str) -> int:
    if not WRITTEN.fullmatch(written):
        return 0
    return round(sum(float(number) * UNITS[unit] for number, unit in PART.findall(written)))


def parse_moment(text: str, now: datetime) -> datetime:
    """A moment from `+2h` (from now on) or ISO 8601; without a time zone it is local time."""
    try:
        if text.startswith("+"):
            return now + timedelta(seconds=parse_duration(text[1:]))
        written = datetime.fromisoformat(text)
        moment = written.astimezone()
    except (ValueError, OverflowError) as error:
        raise ValueError(f"'{text}' is not a moment: write +2h, 2030-05-01 or 2030-05-01T18:00+02:00.") from error
    if written.tzinfo is None:
        _refuse_leap(text, written, moment)
    return moment


def _refuse_leap(text: str, written: datetime, moment: datetime) -> None:
    """Where clocks are put forward an hour of that day does not exist; where they are put back, one comes twice."""
    if moment.replace(tzinfo=None) != written:
        raise ValueError(f"'{text}' does not exist here: clocks are put forward then.")
    twin = written.replace(fold=1).astimezone()
    if twin != moment:
        raise ValueError(
            f"'{text}' comes twice here: clocks are put back then. Write {moment.isoformat()} or {twin.isoformat()}."
        )


def parse_timestamp(text: str | None) -> datetime | None:
    """A moment as the server writes it."""
    return datetime.fromisoformat(text) if text else None


def spell(seconds: float) -> str:
    """The two largest units that matter: `45s`, `3m 12s`, `2h 05m`, `3d 4h`."""
    whole = max(0, round(seconds))
    minutes, s = divmod(whole, 60)
    hours, m = divmod(minutes, 60)
    days, h = divmod(hours, 24)
    if days:
        return f"{days}d {h}h"
    if hours:
        return f"{hours}h {m:02}m"
    return f"{m}m {s:02}s" if minutes else f"{s}s"


def spell_between(start: str | None, end: str | None, now: datetime) -> str:
    """How long from `start` until `end`, or until now; nothing before the start."""
    began = parse_timestamp(start)
    if began is None:
        return ""
    return spell(((parse_timestamp(end) or now) - began).total_seconds())


def spell_moment(text: str | None) -> str:
    """A server's moment in local time, to the second."""
    moment = parse_timestamp(text)
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S") if moment else ""
