"""`manage.py recompute_usage`: whether the hours on record say what placements, attempts and the ledger say."""

from argparse import ArgumentParser
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from jobs.control.job_retention import rules
from jobs.usage.rollup import recompute

SHOWN = 50
DEFAULT_DAYS = 7


class Command(BaseCommand):
    """Says what drifts, a line an hour; with `--repair` writes these hours anew."""

    help = "Work out the hours of usage again, of the last seven days, and say which come out otherwise."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--since", type=str, help="from when on, such as 2030-05-01T00:00Z")
        parser.add_argument("--until", type=str, help="until just before then; without it, now")
        parser.add_argument(
            "--repair", action="store_true", help="write them anew: jobs that were deleted are lost from them"
        )

    def handle(self, *, since: str | None, until: str | None, repair: bool, **_: Any) -> None:
        now = timezone.now()
        end = _moment("--until", until) if until else now
        start = _moment("--since", since) if since else end - timedelta(days=DEFAULT_DAYS)
        if start >= end:
            raise CommandError("--until: must lie after --since.")
        if repair and start < now - timedelta(days=_kept_days()):
            raise CommandError(
                f"--since: jobs and events are kept for {_kept_days()} days only, and hours are made of them."
            )
        differ = recompute(start, end, keep=repair)
        for hour in differ[:SHOWN]:
            self.stdout.write(f"{hour:%Y-%m-%d %H}:00 UTC {'was written anew' if repair else 'comes out otherwise'}.")
        told = f"{len(differ)} hours {'written anew' if repair else 'come out otherwise'}."
        if differ and not repair:
            raise CommandError(told)
        self.stdout.write(told)


def _kept_days() -> int:
    """So long all that hours are made of is there, of every project, but for what was deleted by hand."""
    return min(settings.EVENT_RETENTION_DAYS, *(rule.days for rule in rules().values() if rule.days is not None), 10**6)


def _moment(option: str, text: str) -> datetime:
    try:
        found = parse_datetime(text)
    except ValueError:
        found = None
    if found is None or timezone.is_naive(found):
        raise CommandError(f"{option}: {text!r} is no time with its zone, such as 2030-05-01T00:00Z.")
    return found
