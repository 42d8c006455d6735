"""`manage.py restore`: a backup in place of the database."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from local_stack.servers import dumps, environment
from local_stack.servers.errors import StackError
from local_stack.servers.home import Home


class Command(BaseCommand):
    """All of it, or nothing."""

    help = "Put a file of `manage.py backup` in place of the database, while nobody uses it. What the database holds now is gone then."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, **options: Any) -> None:
        path: Path = options["file"]
        if not options["yes"] and input(f"Replace the database by {path}? [y/N] ").strip().lower() != "y":
            raise CommandError("Nothing was done.")
        try:
            if environment.given("DATABASE_URL"):
                dumps.restore(settings.DATABASE_URL, path)
            else:
                with dumps.resting_server(Home(settings.TRAINYARD_HOME)) as url:
                    dumps.restore(url, path)
        except StackError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"The database is that of {path}. Start the stack: jobs that ran meanwhile go back in line.")
