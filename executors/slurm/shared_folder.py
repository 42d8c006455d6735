"""The folder that the bridge and the nodes share: one for each workload, one for each job, and signs that something has happened.

A workload's folder is made before it is submitted, and is there until it is forgotten: so it is known what was begun, even when
the answer to a submission was lost.
"""

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from executors.engine import OutOfReachError, Output

PACKAGE = "trainyard"
READ_AT_ONCE = 2 * 1024 * 1024
SIGN_SECONDS = 30.0
"""An older sign hurries nobody any more: a node may be slow to clean up after a job."""


class Ending(NamedTuple):
    """How a member's command ended, by its own shell: exited, stop, term, timeout, start_failed; and when."""

    reason: str
    exit_code: int
    words: str
    moment: float
    rank: int


class Stop(NamedTuple):
    """What stands in the stop file: `stop` is ours, `term` came from Slurm."""

    why: str
    seconds: float
    moment: float


@dataclass(frozen=True, slots=True)
class WorkloadFolder:
    """One workload's. Answers for what is not there as for what has not happened yet."""

    path: Path

    @property
    def output(self) -> Path:
        """What Slurm and the batch script say goes here: not into the folder, as a late job would make that anew."""
        return self.path.parent.parent / "output" / f"{self.path.name}.log"

    def make(self) -> bool:
        """Whether it is new."""
        try:
            self.path.mkdir(mode=0o700)
        except FileExistsError:
            return False
        return True

    def write(self, name: str, text: str) -> None:
        """For its own user's eyes. Whoever reads it comes after the submission, and that comes after all of it."""
        descriptor = os.open(self.path / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)

    def write_stop(self, seconds: int) -> None:
        """In place: whoever waits for it has the file open by its name, on other machines."""
        (self.path / "stop").write_text(f"stop {seconds}\n", encoding="utf-8")

    def stop(self) -> Stop | None:
        try:
            why, seconds, *_ = self._text("stop").split()
            return Stop(why, float(seconds), (self.path / "stop").stat().st_mtime)
        except (OSError, ValueError):
            return None

    def has_begun(self) -> bool:
        """Whether a Slurm job has made it its own."""
        return (self.path / "owner").exists()

    def given_up(self) -> str:
        """Why it was taken out of Slurm's queue by its bridge, if it was."""
        return self._text("given_up").strip()

    def waited_seconds(self) -> float | None:
        """From before its submission until a Slurm job made it its own: both are written down once."""
        try:
            return (self.path / "owner").stat().st_mtime - (self.path / "workload.json").stat().st_mtime
        except OSError:
            return None

    def owner(self) -> int | None:
        """The Slurm job that runs it, or ran it; None also for the moment in which it writes its number."""
        text = self._text("owner").strip()
        return int(text) if text.isdigit() else None

    def submitted(self) -> int | None:
        """The Slurm job, as the answer to its submission said."""
        text = self._text("submitted").strip()
        return int(text) if text.isdigit() else None

    def asked(self) -> Mapping[str, Any]:
        """What each of its members asks for."""
        try:
            found = json.loads(self._text("workload.json") or "{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def endings(self, members: int) -> list[Ending]:
        return [found for rank in range(members) if (found := self._ending(rank)) is not None]

    def last_words(self) -> str:
        """The end of what Slurm and the batch script had to say."""
        lines = [line.strip() for line in self._text(self.output).splitlines() if line.strip()]
        return " ".join(lines[-3:])[-500:]

    def read(self, name: str, position: int) -> Output:
        """From a byte on, at most a few MB."""
        try:
            with (self.path / name).open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size < position:
                    return Output(b"", size, f"{name} was cut from {position} to {size} bytes in the shared folder.")
                file.seek(position)
                data = file.read(READ_AT_ONCE)
        except FileNotFoundError:
            return Output(b"", position)
        except OSError as error:
            raise OutOfReachError(f"The shared folder cannot be read: {error}.") from None
        return Output(data, position + len(data))

    def _text(self, name: str | Path) -> str:
        try:
            return (self.path / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def _ending(self, rank: int) -> Ending | None:
        path = self.path / f"ending.{rank}"
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
            if not text.endswith("\n"):
                return None  # it is being written
            reason, code, *words = text.split(maxsplit=2)
            return Ending(reason, int(code), " ".join(words).strip(), path.stat().st_mtime, rank)
        except (OSError, ValueError):
            return None


class SharedFolder:
    """Of one cluster's bridge."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._workloads, self._signs, self._jobs = root / "workloads", root / "signs", root / "jobs"
        self.python = root / "python"

    def prepare(self) -> None:
        """Make what is missing. Raises OutOfReachError: a file server may be away."""
        try:
            for folder in (self._workloads, self._signs, self._jobs, self.python, self.root / "output"):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lay_out_package()
        except OSError as error:
            raise OutOfReachError(f"The shared folder cannot be used: {error}.") from None

    def names(self) -> set[str]:
        """Of all workloads that were begun and not forgotten."""
        try:
            return {entry.name for entry in os.scandir(self._workloads) if not entry.name.startswith(".")}
        except OSError as error:
            raise OutOfReachError(f"The shared folder cannot be read: {error}.") from None

    def workload(self, name: str) -> WorkloadFolder:
        return WorkloadFolder(self._workloads / name)

    def sign(self, name: str) -> Path:
        return self._signs / name

    def of_job(self, job_id: int, *parts: str) -> Path:
        """Made if it is missing."""
        folder = self._jobs.joinpath(str(job_id), *parts)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder

    def fresh_signs(self) -> Iterator[str]:
        """Names of workloads of which something was heard lately and not looked after: they began, or `.ended`."""
        oldest = time.time() - SIGN_SECONDS
        try:
            for entry in os.scandir(self._signs):
                if entry.stat().st_mtime > oldest:
                    yield entry.name
        except OSError:
            return

    def drop_sign(self, name: str) -> None:
        self.sign(name).unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        """At once out of sight, then file by file."""
        path = self._workloads / name
        gone = path.with_name(f".gone-{name}")
        try:
            path.replace(gone)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise OutOfReachError(f"The shared folder cannot be written: {error}.") from None
        shutil.rmtree(gone, ignore_errors=True)
        self.workload(name).output.unlink(missing_ok=True)
        for sign in (name, f"{name}.ended"):
            self.drop_sign(sign)

    def _lay_out_package(self) -> None:
        """A copy, as nodes do not see where the platform is installed."""
        spec = find_spec(PACKAGE)
        if spec is None or spec.origin is None:
            return
        copy, link = self.python / f".{PACKAGE}-{os.getpid()}-{time.time_ns()}", self.python / f".{PACKAGE}"
        shutil.copytree(Path(spec.origin).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
        link.unlink(missing_ok=True)
        link.symlink_to(copy.name, target_is_directory=True)
        link.replace(self.python / PACKAGE)  # at once: jobs that run import from it meanwhile
        for old in self.python.glob(f".{PACKAGE}-*"):
            if old != copy:
                shutil.rmtree(old, ignore_errors=True)
