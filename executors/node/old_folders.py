"""Removes what jobs left on this node once their project keeps them no longer: checkpoints, outputs, and the home of a job.

The site says of which jobs (`jobs/control/forgotten_jobs.py`): of those that it has deleted as they were too old, so that
none of them can run, resume or be requeued. What the site does not name stays.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from django.db import DatabaseError, InterfaceError, connection

from executors.run import state_files
from jobs.control.forgotten_jobs import forgotten
from workers.hardware.disk import Disk
from workers.runtime import folder_removal

log = logging.getLogger(__name__)
LOOK_SECONDS = 3600.0
SHORT_SECONDS, TURN_SECONDS = 60.0, 5.0
"""How often the site is asked while the disk is short, and how often it is looked whether it is."""
ASKED_AT_ONCE = 1000
SHOWN = 20
DIGITS = 19
"""No number of a job has more."""
MIB = 2**20


class OldFolders:
    """One thread of the agent. It asks the site on a connection that lasts as long as the question."""

    def __init__(
        self,
        jobs: Path,
        attempts: Path,
        disk: Disk,
        ask: Callable[[Collection[int]], list[int]] = forgotten,
    ) -> None:
        """`jobs` is where each job has a folder, `attempts` where this agent keeps what it runs."""
        self._jobs = jobs
        self._attempts = attempts
        self._disk = disk
        self._ask = ask
        self._next_look = 0.0
        self._closed = threading.Event()
        self._removed = self._freed = 0

    def start(self) -> None:
        threading.Thread(target=self._loop, name="old-folders", daemon=True).start()

    def close(self) -> None:
        """Begin nothing more; what is half removed the next agent goes on with."""
        self._closed.set()

    def told(self) -> dict[str, int]:
        """For a heartbeat: since this agent began."""
        return {"folders": self._removed, "bytes": self._freed}

    def _loop(self) -> None:
        while not self._closed.wait(TURN_SECONDS):
            try:
                self.turn()
            except Exception:
                log.exception("What old jobs left could not be removed; it is tried again.")

    def turn(self) -> None:
        """Once an hour, and each minute while the disk is short."""
        now = time.monotonic()
        short = bool(self._disk.problem())
        if now >= self._next_look or (short and now >= self._next_look - LOOK_SECONDS + SHORT_SECONDS):
            self._next_look = now + LOOK_SECONDS
            self.sweep()

    def sweep(self) -> None:
        """Remove what may go, that of the job that ended first before others."""
        freed = self._freed
        gone = [whose for left in folder_removal.left_aside(self._jobs) if (whose := self._remove(left))]
        for job in self._past():
            if self._closed.is_set():
                break
            aside = self._set_aside(job)
            if aside is not None and self._remove(aside):
                gone.append(str(job))
        if gone:
            more = f" and {len(gone) - SHOWN} more" if len(gone) > SHOWN else ""
            words = (
                "Removed what deleted jobs left, as their projects keep them no longer: %s%s; %.1f MB are free by that."
            )
            # A warning, as agents say no less (`manage.py node`), and as it cannot be undone.
            log.warning(words, ", ".join(gone[:SHOWN]), more, (self._freed - freed) / MIB)

    def _set_aside(self, job: int) -> str | None:
        try:
            return folder_removal.set_aside(self._jobs, str(job))
        except OSError as error:
            log.warning("What job %d left stays, as its folder cannot be moved: %s", job, error, extra={"job": job})
            return None

    def _past(self) -> Sequence[int]:
        """By their end. The site is asked first, and our own claims are looked at after that: one that runs has one."""
        ids = sorted(_ids(self._jobs))
        try:
            parts = [ids[start : start + ASKED_AT_ONCE] for start in range(0, len(ids), ASKED_AT_ONCE)]
            past = [job for part in parts for job in self._ask(part)]
            past = self._ask(past) if len(parts) > 1 else past  # in the order of all
        except (DatabaseError, InterfaceError) as error:
            log.warning("The site could not be asked what old jobs left: %s", str(error).strip())
            return ()
        finally:
            connection.close()
        running = set(self._claimed())
        return [job for job in past if job not in running]

    def _claimed(self) -> Iterator[int]:
        for folder in self._attempts.iterdir():
            claim = state_files.read_claim(folder)
            if claim is not None:
                yield claim[0].job_id

    def _remove(self, aside: str) -> str:
        """Whose it was; nobody's, if anything of it is left."""
        removal = folder_removal.remove(self._jobs, aside, stopped=self._closed.is_set)
        self._freed += removal.freed_bytes
        job = aside.removeprefix(folder_removal.PREFIX).partition("-")[0]
        if not removal.complete:
            if not self._closed.is_set():
                words = "Of what job %s left something cannot be removed, and stays in %s."
                log.warning(words, job, self._jobs / aside, extra={"job": job})
            return ""
        self._removed += 1
        return job


def _ids(jobs: Path) -> Iterator[int]:
    """The jobs that have a folder, by its name: what is called otherwise is nobody's of ours."""
    for folder in jobs.iterdir():
        if len(folder.name) < DIGITS and folder.name.isascii() and folder.name.isdecimal():
            yield int(folder.name)  # 007 is asked for as 7, and then not found under that name
