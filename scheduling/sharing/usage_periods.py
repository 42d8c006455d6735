"""The periods of a report: hours, days, weeks and months as the calendar of some place has them, one after another."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from itertools import islice

from scheduling.sharing.periods import Period, Span, spans_over

HOUR = 3_600.0
MOST_PERIODS = 750
"""In one report: a month of hours, two years of days."""


class TooManyPeriodsError(ValueError):
    """There are more than anybody reads."""


def periods(period: str, zone: tzinfo, since: datetime, until: datetime) -> list[Span]:
    """All hours, days, weeks or months between the two moments, in order, the first and the last cut off there.

    Each begins where the one before it ends, whatever the place does with its clocks. Raises TooManyPeriodsError.
    """
    start, end = since.timestamp(), until.timestamp()
    spans = _hours(zone, start, end) if period == Period.HOUR else spans_over(period, zone, start, end)
    found = [Span(max(one.start, start), min(one.end, end)) for one in islice(spans, MOST_PERIODS + 1)]
    if len(found) > MOST_PERIODS:
        raise TooManyPeriodsError
    return found


def start_of(period: str, zone: tzinfo, moment: datetime) -> datetime:
    """When the period of the place began in which the moment lies."""
    before = _hour_of(zone, moment.timestamp()) if period == Period.HOUR else None
    first = next(spans_over(period, zone, moment.timestamp(), float("inf"))).start if before is None else before
    return datetime.fromtimestamp(first, UTC)


def title(period: str, zone: tzinfo, start: float) -> str:
    """What the period that holds this moment is called there: `2030-05-01T13:00+02:00`, `2030-05-01`, `2030-W18`, `2030-05`."""
    local = datetime.fromtimestamp(start, zone)
    if period == Period.HOUR:
        return local.replace(minute=0, second=0, microsecond=0).isoformat(timespec="minutes")
    if period == Period.WEEK:
        year, week, _ = local.isocalendar()
        return f"{year}-W{week:02}"
    return local.strftime("%Y-%m" if period == Period.MONTH else "%Y-%m-%d")


def parts_by_hour(spans: Sequence[Span], rolled_up_until: float) -> tuple[list[Span], list[float]]:
    """What of these periods, which follow each other, no whole hour on record covers; and the hours that are cut by a border.

    The first are in order, each inside one period. Hours are those of UTC; what a border cuts belongs to two periods, as
    in places whose clocks are half an hour apart.
    """
    cut = sorted({_floor(border) for one in spans for border in one if border % HOUR and border < rolled_up_until})
    left = []
    for one in spans:
        inside = [hour for hour in (_floor(one.start), _floor(one.end)) if hour in cut]
        pieces = [Span(max(hour, one.start), min(hour + HOUR, one.end)) for hour in dict.fromkeys(inside)]
        pieces.append(Span(max(one.start, rolled_up_until), one.end))
        left += [piece for piece in pieces if piece.start < piece.end]
    return left, cut


def by_hour(span: Span) -> list[Span]:
    """The span in parts, none of which lies in two hours of UTC."""
    parts, at = [], span.start
    while at < span.end:
        after = min(_floor(at) + HOUR, span.end)
        parts.append(Span(at, after))
        at = after
    return parts


def _floor(moment: float) -> float:
    return moment - moment % HOUR


def _hour_of(zone: tzinfo, moment: float) -> float:
    offset = datetime.fromtimestamp(moment, zone).utcoffset()
    shift = offset.total_seconds() if offset else 0.0
    return _floor(moment + shift) - shift


def _hours(zone: tzinfo, start: float, end: float) -> Iterator[Span]:
    at = _hour_of(zone, start)
    while at < end:
        yield Span(at, at + HOUR)
        at += HOUR
