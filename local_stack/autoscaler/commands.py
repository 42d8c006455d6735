"""The operator's own programs as an actuator: run without a shell, bounded in time, and believed only as far as `list` says so."""

import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO

from local_stack.autoscaler.actuator import ActuatorError
from workers.models import NodePool
from workers.pool_commands import filled_in, read_commands

AT_ONCE = 8
LAST_WORDS = 300
MOST_OUTPUT = 2**20
OURS = re.compile(r"TRAINYARD_.*|DATABASE_.*|BROKER_.*|CELERY_.*|DJANGO_.*|FLOWER_.*")
SECRET = re.compile(r"KEY|TOKEN|SECRET|PASS|CREDENTIAL|AUTH|URL", re.IGNORECASE)
SHORTEST_SECRET = 6


class CommandActuator:
    """What it has asked for within the last `timeout_seconds` counts as done, though `list` may not show it yet."""

    def __init__(self, folder: Path | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._clock = clock
        self._coming: dict[str, float] = {}
        self._going: dict[str, float] = {}

    def set_up(self, pool: NodePool) -> "CommandActuator":
        """As its row says now. Raises ActuatorError, InvalidError."""
        if self._folder is None:
            raise ActuatorError("No folder of commands: start `manage.py autoscaler --commands FOLDER`.")
        self._pool, self._commands = pool, read_commands(pool.actuator_settings)
        return self

    def members(self) -> Mapping[str, bool]:
        words = self._run(self._commands.list, self._values())
        mine = re.compile(rf"{re.escape(self._pool.name)}-[1-9]\d*")
        listed = {name for name in words.split() if mine.fullmatch(name)}
        self._coming = self._recent(self._coming)
        self._going = {name: at for name, at in self._recent(self._going).items() if name in listed}
        return {name: name in self._going for name in sorted(listed | self._coming.keys())}

    def up(self, names: Sequence[str]) -> None:
        self._each(self._commands.up, names, self._coming)

    def down(self, names: Sequence[str]) -> None:
        for name in names:
            self._coming.pop(name, None)
        self._each(self._commands.down, names, self._going)

    def withdraw(self, most: int) -> Sequence[str]:  # noqa: ARG002  `list` does not tell who only waits
        return ()

    def _recent(self, asked: Mapping[str, float]) -> dict[str, float]:
        since = self._clock() - self._commands.timeout_seconds
        return {name: at for name, at in asked.items() if at > since}

    def _each(self, words: tuple[str, ...], names: Sequence[str], asked: dict[str, float]) -> None:
        """Several at once; one that fails keeps no other from coming or going."""
        with ThreadPoolExecutor(AT_ONCE) as threads:
            running = {name: threads.submit(self._run, words, {**self._values(), "node": name}) for name in names}
        failed = [error for one in running.values() if (error := one.exception())]
        asked.update({name: self._clock() for name, one in running.items() if not one.exception()})
        if failed:
            raise failed[0]

    def _values(self) -> dict[str, object]:
        pool = self._pool
        shape = {"cpus": pool.cpus, "memory_mb": pool.memory_mb, "gpus": pool.gpus, "gpu_model": pool.gpu_model}
        return {"pool": pool.name, **shape}

    def _run(self, words: tuple[str, ...], values: Mapping[str, object]) -> str:
        assert self._folder is not None  # noqa: S101  `set_up` has looked
        return run(self._folder, filled_in(words, values), self._commands.timeout_seconds)


def run(folder: Path, words: Sequence[str], seconds: float) -> str:
    """What the program printed. Raises ActuatorError; one that takes too long is killed, with all that it started."""
    name = words[0]
    # Files, no pipes: a program may leave one running that holds its output open, as an agent would.
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                [folder / name, *words[1:]], cwd=folder, env=environment(), stdin=subprocess.DEVNULL,
                stdout=output, stderr=errors, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise ActuatorError(f"{name} cannot be started: {error.strerror}.") from None
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            _kill(process)
            raise ActuatorError(_sentence(name, f"took longer than {seconds:g} s and was killed", errors)) from None
        if code:
            raise ActuatorError(_sentence(name, f"ended with {code}", errors))
        output.seek(0)
        return output.read(MOST_OUTPUT).decode(errors="replace")


def environment() -> dict[str, str]:
    """Ours, without what is the platform's own: the database's password is nothing to a program that makes machines."""
    return {name: value for name, value in os.environ.items() if not OURS.fullmatch(name)}


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _sentence(name: str, what: str, errors: IO[bytes]) -> str:
    errors.seek(0, os.SEEK_END)
    errors.seek(max(errors.tell() - 2 * LAST_WORDS, 0))
    said = " ".join(errors.read().decode(errors="replace").replace("\0", "").split())
    return f"{name} {what}{f': {without_secrets(said)[-LAST_WORDS:]}' if said else '.'}"


def without_secrets(text: str) -> str:
    """Programs that fail like to print how they were called."""
    for name, value in os.environ.items():
        if len(value) >= SHORTEST_SECRET and SECRET.search(name):
            text = text.replace(value, f"({name})")
    return text
