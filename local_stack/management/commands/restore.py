"""`manage.py restore`: a backup in place of the database."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from local_stack.backups import fence, folder
from local_stack.servers import dumps, environment
from local_stack.servers.errors import StackError
from local_stack.servers.home import Home


class Command(BaseCommand):
    """All of it, or nothing."""

    help = (
        "Put a backup of `manage.py backup` in place of the database, while nobody uses it. What the database holds now is"
        " gone then; attempts that were open in the backup count as lost."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source", type=Path, metavar="from", help="the folder or the file")
        parser.add_argument("--yes", action="store_true", help="replace what the database holds, without asking")

    def handle(self, *, source: Path, yes: bool, **_: Any) -> None:
        try:
            if environment.given("DATABASE_URL"):
                self._restore(settings.DATABASE_URL, source, yes=yes)
            else:
                with dumps.resting_server(Home(settings.TRAINYARD_HOME)) as url:
                    self._restore(url, source, yes=yes)
        except StackError as error:
            raise CommandError(str(error)) from None

    def _restore(self, url: str, source: Path, *, yes: bool) -> None:
        whole = source.is_dir()
        manifest = folder.read(source) if whole else None
        if not yes and dumps.holds_work(url):
            _ask(source)
        dump = source / folder.DUMP if whole else source
        dumps.restore(url, dump, before=fence.REMEMBER_IDS, after=fence.fence_sql())
        logs = f", and {folder.restore_objects(source)} stored logs that were not there" if whole else ""
        taken = f" of {manifest.taken_at}, release {manifest.release}" if manifest else ""
        self.stdout.write(f"The database is that of {source}{taken}{logs}.")
        self.stdout.write(
            "Run `manage.py migrate` and `manage.py agent_rights ROLE`, if the stack does not do so itself, and start it:"
            f" jobs that ran go back in line {settings.LEASE_SECONDS + settings.LEASE_MARGIN_SECONDS:g} seconds after."
        )


def _ask(source: Path) -> None:
    """CommandError unless somebody at a terminal says yes."""
    question = f"The database holds work. Replace all of it by {source}? [y/N] "
    if not sys.stdin.isatty():
        raise CommandError("The database holds work: with --yes it is replaced. Nothing was done.")
    if input(question).strip().lower() != "y":
        raise CommandError("Nothing was done.")
