"""`manage.py backup`: the platform as a folder, or its database as one file; and a rehearsal of the way back."""

import tempfile
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from local_stack.backups import drill, folder
from local_stack.servers import dumps, environment, postgres
from local_stack.servers.errors import StackError
from local_stack.servers.home import Home

MB = 2**20


class Command(BaseCommand):
    """Safe at any time: it sees one moment of the database, and nobody waits for it."""

    help = (
        "Back up the platform, while it runs or while it rests: into a new folder, with the stored logs and checksums; to a"
        " name with an ending (trainyard.dump) the database alone. Checkpoints and outputs of jobs are not in it."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("to", type=Path, nargs="?", help="a new folder; or a file, and an older one is replaced")
        parser.add_argument(
            "--drill", action="store_true", help="restore it beside the running platform, and prove that the copy works"
        )
        parser.add_argument("--scratch", metavar="URL", help="an empty database for --drill (default: one is made)")

    def handle(self, *, to: Path | None, drill: bool, scratch: str | None, **_: Any) -> None:
        if to is None and not drill:
            raise CommandError("Name a new folder, or with --drill none.")
        if scratch and not drill:
            raise CommandError("--scratch is for --drill.")
        try:
            with database() as url:
                if drill:
                    self._rehearse(url, to, scratch)
                elif to is not None:
                    self._back_up(url, to)
        except StackError as error:
            raise CommandError(str(error)) from None

    def _back_up(self, url: str, to: Path) -> None:
        if to.suffix or to.is_file():
            dumps.back_up(url, to)
            self.stdout.write(f"The database is in {to} ({to.stat().st_size / MB:.1f} MB).")
            return
        manifest = folder.write(url, to)
        logs = f"{manifest.log_files} stored logs" if manifest.logs == "files" else "no logs, they lie in their bucket"
        size = (to / folder.DUMP).stat().st_size / MB
        self.stdout.write(f"The platform is in {to}: {manifest.rows} rows ({size:.1f} MB), {logs}.")

    def _rehearse(self, url: str, to: Path | None, scratch: str | None) -> None:
        made = nullcontext(scratch) if scratch else drill.scratch_database(url)
        with tempfile.TemporaryDirectory(prefix="trainyard-drill-") as temporary, made as copy:
            drill.rehearse(url, to or Path(temporary) / "backup", copy, self.stdout.write)
        self.stdout.write("The drill went well; the copy is gone.")


@contextmanager
def database() -> Iterator[str]:
    """The URL of the platform's database; that of a stack that rests is started for as long as this lasts."""
    if environment.given("DATABASE_URL") or not postgres.connection_problem(settings.DATABASE_URL):
        yield settings.DATABASE_URL
    else:
        with dumps.resting_server(Home(settings.TRAINYARD_HOME)) as url:
            yield url
