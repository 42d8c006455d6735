"""Real commands under real shims, for tests. Each has a tag in its environment by which what is left of it can be found."""

import contextlib
import os
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.waiting import wait_for
from workers.runtime.process import Command, CommandResult, Shim, find_shim, launch
from workers.runtime.shim.clock import boottime

ENDS_WITHIN = 15.0


@dataclass
class Launched:
    """One command of one test."""

    shim: Shim
    tag: str

    @property
    def folder(self) -> Path:
        return self.shim.folder

    @property
    def log(self) -> bytes:
        return (self.folder / "log").read_bytes()

    def started(self) -> "Launched":
        wait_for(self.shim.status, ENDS_WITHIN, "the command to start")
        return self

    def prints(self, text: bytes) -> "Launched":
        self.started()
        wait_for(lambda: text in self.log, message=repr(text))
        return self

    def outcome(self) -> CommandResult:
        outcome = self.shim.wait(ENDS_WITHIN)
        assert outcome is not None, "the command did not end in time"
        return outcome

    def left(self) -> list[str]:
        """The command lines of its processes that live."""
        return tagged(self.tag)


def adopted(folder: Path, tag: str = "") -> Launched:
    """What an earlier agent started there."""
    shim = find_shim(folder)
    assert shim is not None, "nothing to find_shim"
    return Launched(shim, tag)


def tagged(tag: str) -> list[str]:
    """Found by the environment, as no reparenting or new session changes that."""
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdigit() and tag.encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


@dataclass
class Launcher:
    """Starts commands in folders of one test; at its end nothing of them is left."""

    home: Path
    launched: list[Launched] = field(default_factory=list)

    def __call__(
        self,
        *argv: str,
        lease: float = 60,
        cwd: str = "/",
        env: Mapping[str, str] | None = None,
        folder: Path | None = None,
        **limits: Any,
    ) -> Launched:
        tag = f"tag-{uuid.uuid4()}"
        environment = {"PATH": os.environ["PATH"], "TAG": tag, **(env or {})}
        command = Command(argv, cwd, environment, **{"log_limit_bytes": 10**6, "grace_seconds": 5.0, **limits})
        folder = folder or self.home / f"{len(self.launched)}"
        started = Launched(launch(folder, command, lease_deadline=boottime() + lease), tag)
        self.launched.append(started)
        return started

    def sh(self, script: str, **options) -> Launched:
        return self("sh", "-c", script, **options)

    def python(self, script: str, **options) -> Launched:
        return self("python3", "-I", "-S", "-c", script, **options)

    def close(self) -> None:
        for each in self.launched:
            each.shim.kill()
            each.shim.wait(ENDS_WITHIN)


def launcher(home: Path) -> Iterator[Launcher]:
    starting = Launcher(home)
    yield starting
    starting.close()
