"""When a job is to begin, as people type it: as Slurm's `--begin` takes it, in the time zone of this machine."""

import re
from datetime import datetime, timedelta

from cli.durations import parse_duration, parse_moment

DAYS = {"today": 0, "tomorrow": 1}
CLOCK = {"midnight": "00:00", "noon": "12:00"}
WRITTEN = re.compile(r"(?:(today|tomorrow)(?:[ T]+|$))?(midnight|noon|\d{1,2}:\d{2}(?::\d{2})?)?")
SLURM_UNIT = re.compile(r"(\d+)\s*(second|minute|hour|day|week)s?")
WORDS = "write now+2h, 18:00, tomorrow 8:00, 2030-05-01 or 2030-05-01T18:00+02:00."


def parse_begin(text: str, now: datetime) -> datetime:
    """A moment from `now+2h`, `18:00` (the next one), `tomorrow 8:00` or ISO 8601; without a zone it is local time.

    Raises ValueError that says what to write, also for an hour that a change of the clock leaves out or brings twice.
    """
    written = re.sub(r"\s*\+\s*", "+", " ".join(text.strip().lower().split()))
    if written == "now":
        return now
    if written.startswith(("now+", "+")):
        return _after(text, written.partition("+")[2].strip(), now)
    found = WRITTEN.fullmatch(written)
    if found and written:
        return _on_the_clock(found[1], found[2], now)
    try:
        return parse_moment(text.strip().replace(" ", "T", 1), now)
    except ValueError as error:
        if "clocks are put" in str(error):
            raise
        raise ValueError(f"'{text}' is no time to begin at: {WORDS}") from error


def _after(text: str, span: str, now: datetime) -> datetime:
    try:
        return now + timedelta(seconds=parse_duration(SLURM_UNIT.sub(lambda unit: unit[1] + unit[2][0], span)))
    except (ValueError, OverflowError) as error:
        raise ValueError(f"'{text}' is no time to begin at: {WORDS}") from error


def _on_the_clock(day: str | None, clock: str | None, now: datetime) -> datetime:
    """Without a day the next time that clocks show it here."""
    hour, *rest = CLOCK.get(clock or "midnight", clock or "").split(":")
    moment = ":".join([hour.zfill(2), *rest])
    first = now.astimezone().date() + timedelta(days=DAYS[day] if day else 0)
    found = parse_moment(f"{first}T{moment}", now)
    return found if day or found > now else parse_moment(f"{first + timedelta(days=1)}T{moment}", now)
