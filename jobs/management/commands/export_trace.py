"""`manage.py export_trace`: last month's jobs as a trace, to be replayed under another policy."""

import gzip
import sys
from argparse import ArgumentParser
from datetime import timedelta
from pathlib import Path
from typing import Any, TextIO

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from jobs.reports.trace_export import anonymous, write_trace


class Command(BaseCommand):
    """Writes to standard output, or to a file; one that ends with .gz is compressed."""

    help = "Write the jobs that are over as a CSV trace for `trainyard simulate`."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", nargs="?", type=Path, help="where to write; without it, standard output")
        parser.add_argument("--days", type=float, help="only jobs submitted in the last so many days")
        parser.add_argument("--anonymous", action="store_true", help="replace users and projects by codes")

    def handle(self, *, file: Path | None, days: float | None, anonymous: bool, **_: Any) -> None:
        if days is not None and days <= 0:
            raise CommandError("--days: give a number above 0.")
        if file is None:
            self._write(sys.stdout, days, hide=anonymous)
            return
        try:
            with opened(file) as lines:
                count = self._write(lines, days, hide=anonymous)
        except OSError as error:
            raise CommandError(f"{file} cannot be written: {error.strerror}.") from error
        self.stderr.write(f"{count} jobs written to {file}.")

    def _write(self, lines: TextIO, days: float | None, *, hide: bool) -> int:
        since = None if days is None else timezone.now() - timedelta(days=days)
        return write_trace(lines, since=since, naming=anonymous() if hide else str)


def opened(file: Path) -> TextIO:
    if file.suffix == ".gz":
        return gzip.open(file, "wt", encoding="utf-8", newline="")
    return file.open("w", encoding="utf-8", newline="")
