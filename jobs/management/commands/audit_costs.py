"""`manage.py audit_costs`: whether the ledger says what intervals and prices say."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.costs.audit import audit
from jobs.recovery import ledger_audit

SHOWN = 50


class Command(BaseCommand):
    """Says what drifts, a line a placement; with `--settle` settles what ended without it, first."""

    help = "Work out every settlement again from placements and prices, and say what drifts."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--settle", action="store_true", help="first settle what ended without it, under an agent of an old release"
        )

    def handle(self, *, settle: bool, **_: Any) -> None:
        if settle:
            self.stdout.write(f"{len(ledger_audit.settle(audit()))} placements settled that had not been.")
        found = audit()
        ledger_audit.record(found.drifts, whole=True)
        for drift in found.drifts[:SHOWN]:
            self.stdout.write(f"placement {drift.placement}: {drift.sentence}")
        told = f"{found.settlements} settlements worked out again: drift {len(found.drifts)}."
        if found.drifts:
            raise CommandError(told)
        self.stdout.write(told)
