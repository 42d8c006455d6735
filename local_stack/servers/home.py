"""TRAINYARD_HOME: the one folder that the local stack writes to."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local_stack.servers.errors import StackError


@dataclass(frozen=True)
class Home:
    """The folder, and where each thing lies in it."""

    folder: Path

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"

    @property
    def valkey(self) -> Path:
        return self.folder / "valkey"

    @property
    def credentials(self) -> Path:
        return self.folder / "credentials.json"

    @property
    def environment(self) -> Path:
        return self.folder / "env"

    @property
    def settings_file(self) -> Path:
        return self.folder / "stack.json"

    @property
    def secrets_keys(self) -> Path:
        return self.folder / "secrets-keys"

    @property
    def process_list(self) -> Path:
        return self.folder / "processes.json"

    def prepare(self) -> None:
        """Make the folder, for its owner's eyes only; StackError when that cannot be."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.folder.chmod(0o700)
            (self.folder / "static").mkdir(exist_ok=True)  # the site warns when it is missing
            probe = self.folder / f".writable-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise StackError(
                f"The data folder {self.folder} cannot be written: {error.strerror}. "
                "Set TRAINYARD_HOME to a folder of your own, for instance TRAINYARD_HOME=~/trainyard."
            ) from None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold this home: a second stack in it would end the first one's processes. The lock ends with its process."""
        with (self.folder / "lock").open("a+", encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise StackError(
                    f"A stack already runs in {self.folder} (process {lock.read().strip() or 'unknown'}). "
                    "Stop it, or set TRAINYARD_HOME, TRAINYARD_PORT and FLOWER_PORT to start a second one."
                ) from None
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield
