"""`manage.py backup`: the database as one file."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from local_stack.servers import dumps, environment, postgres
from local_stack.servers.errors import StackError
from local_stack.servers.home import Home


class Command(BaseCommand):
    """Safe at any time: it sees one moment of the database, and nobody waits for it."""

    help = "Write the whole database to a file, while the stack runs or while it rests. Checkpoints and outputs of jobs are not in it."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="where to; an older file is replaced")

    def handle(self, **options: Any) -> None:
        path: Path = options["file"]
        try:
            if environment.given("DATABASE_URL") or not postgres.connection_problem(settings.DATABASE_URL):
                dumps.back_up(settings.DATABASE_URL, path)
            else:
                with dumps.resting_server(Home(settings.TRAINYARD_HOME)) as url:
                    dumps.back_up(url, path)
        except StackError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"The database is in {path} ({path.stat().st_size / 2**20:.1f} MB).")
