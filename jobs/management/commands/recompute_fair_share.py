"""`manage.py recompute_fair_share`: whether the accounts of fair share say what placements and the ledger say."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.attempts.tally_audit import audit

SHOWN = 50
SECONDS_AN_HOUR = 3_600


class Command(BaseCommand):
    """Says what drifts, a line an account; with `--repair` puts it right."""

    help = "Work out again what each user of each project has used, as fair share counts it, and say what drifts."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--repair",
            action="store_true",
            help="put it right; jobs that were deleted and cost nothing are lost from it",
        )

    def handle(self, *, repair: bool, **_: Any) -> None:
        drifts = audit(repair=repair)
        for one in drifts[:SHOWN]:
            on_record, worked_out = (amount / SECONDS_AN_HOUR for amount in (one.on_record, one.worked_out))
            name = f"{one.project} / {one.owner or '(gone)'}"
            self.stdout.write(f"{name}: {on_record:,.3f} hours on record, {worked_out:,.3f} worked out.")
        told = f"{len(drifts)} accounts {'put right' if repair else 'drift'}."
        if drifts and not repair:
            raise CommandError(told)
        self.stdout.write(told)
