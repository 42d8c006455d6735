"""`manage.py apply -f FILE`: projects, queues, prices, budgets and pools as a file declares them."""

from argparse import ArgumentParser
from collections import Counter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from scheduler_site.declared import document
from scheduler_site.declared.applying import apply
from scheduler_site.declared.changes import Change, Verb

DONE = {
    Verb.CREATE: "created", Verb.CHANGE: "changed", Verb.SAME: "left alone", Verb.ARCHIVE: "archived",
    Verb.DRAIN: "drained", Verb.END: "ended", Verb.DELETE: "deleted",
}  # fmt: skip


class Command(BaseCommand):
    """All of it, or nothing: exit code 1 then, with what is wrong and where."""

    help = (
        "Bring projects, queues, prices, budgets and pools in line with a file (docs/configuration.md). "
        "Says what it does, does it in one transaction, and does nothing the second time."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("-f", "--file", type=Path, required=True)
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
        parser.add_argument(
            "--prune",
            action="store_true",
            help="also remove what is not in the file, of the sections that are; what has a history is archived",
        )

    def handle(self, **options: Any) -> None:
        try:
            declared = document.read(options["file"])
            done = apply(declared, prune=options["prune"], dry_run=options["dry_run"], show=self.show)
        except document.Refused as refused:
            raise CommandError(f"{refused}\nNothing was done.") from None
        self.stdout.write(summary(done, dry_run=options["dry_run"]))

    def show(self, change: Change) -> None:
        if change.verb != Verb.SAME:
            self.stdout.write(str(change))


def summary(done: Counter[Verb], *, dry_run: bool) -> str:
    """How much of what, in one line."""
    if not done.keys() - {Verb.SAME}:
        return f"Nothing to do: all {done[Verb.SAME]} are as declared."
    told = ", ".join(f"{done[verb]} {words}" for verb, words in DONE.items() if done[verb])
    return f"Would be: {told}. Nothing was done." if dry_run else f"{told[0].upper()}{told[1:]}."
