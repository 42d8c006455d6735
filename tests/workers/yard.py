"""A platform's home with one node, on which commands are started behind its walls."""

import os
from pathlib import Path

from workers.runtime import walls
from workers.runtime.process import Command, CommandResult, Shim, launch
from workers.runtime.shim.clock import boottime
from workers.runtime.walls import Place


class Yard:
    """What it starts, it ends."""

    def __init__(self, home: Path, **settings) -> None:
        self.home, self.node = home, home / "nodes" / "n1"
        for folder in (self.node / "attempts", home / "jobs"):
            folder.mkdir(parents=True, exist_ok=True)
        home.chmod(0o700)
        given = {"run_as": "auto", "private": True, "process_limit": 0, "job_folders": (), **settings}
        self.walls = walls.build(home=home, node=self.node, **given)
        self.shims: list[Shim] = []

    def place(self, job_id: int, gpus: tuple[int, ...] = ()) -> Place:
        kept = (self.home / "jobs" / str(job_id) / "checkpoints", self.home / "jobs" / str(job_id) / "outputs" / "1")
        for folder in (*kept, self.node / "attempts" / str(job_id)):
            folder.mkdir(parents=True, exist_ok=True)
        return Place(job_id, self.node / "attempts" / str(job_id), kept, gpus=gpus)

    def start(
        self, *argv: str, job: int = 7, cwd: str = "", gpus: tuple[int, ...] = (), path: str = "", **limits
    ) -> Shim:
        place = self.place(job, gpus)
        self.walls.prepare(place)
        searched = ":".join(filter(None, (path, os.environ["PATH"])))
        environment = {"PATH": searched, **self.walls.environment(place)}
        command = Command(argv, cwd or str(place.kept[1]), environment, 10**6, 1.0, **limits)
        self.shims.append(launch(place.folder, self.walls.around(command, place), lease_deadline=boottime() + 60))
        return self.shims[-1]

    def run(self, *argv: str, **options) -> tuple[CommandResult, str]:
        """How it ended, and what it printed."""
        return self.ended(self.start(*argv, **options))

    def ended(self, shim: Shim) -> tuple[CommandResult, str]:
        outcome = shim.wait(30)
        assert outcome is not None, "the command did not end in time"
        self.walls.clear(shim.folder, int(shim.folder.name))
        return outcome, said(shim)

    def close(self) -> None:
        for shim in self.shims:
            shim.kill()
            shim.wait(15)


def said(shim: Shim) -> str:
    log = shim.folder / "log"
    return log.read_text() if log.exists() else ""
