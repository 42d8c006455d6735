"""What an attempt begins with: its job's last checkpoint, where that lies on another node, and outputs of other jobs.

Over HTTP from the site, with the token of the placement, as code. A checkpoint is laid beside its folder and moved in
once all of it is there: what is there already stays until then, and nothing is written through what a job has made there.
"""

import contextlib
import os
import shutil
import time
from collections.abc import Mapping
from errno import ENOSPC
from pathlib import Path
from typing import Any

import httpx
from django.conf import settings

from executors.node.blob_stream import Reader, StoppedError, batches, read_index, wait
from executors.node.laying import Laying, SpoiltError
from executors.node.patience import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, patiently
from executors.node.site import NOWHERE, FetchError, answer, asked, connected
from executors.run.placement_run import PlacementRun
from jobs.state.outcome import PlacementOutcome
from scheduling.lifecycle import EndReason
from workers.hardware.disk import MIB, Disk
from workers.runtime import left_files
from workers.runtime.walls import Walls, hand_over

INPUTS, CHECKPOINTS = "inputs", "checkpoints"
INCOMING = ".incoming-"
COMING, MISSING = "coming", "missing"
Beginning = Mapping[str, Any]


class NodeBeginning:
    """What all that runs on one node begins with."""

    def __init__(self, jobs: Path, disk: Disk, walls: Walls) -> None:
        self._jobs = jobs
        self._disk = disk
        self._walls = walls

    def prepare(self, run: PlacementRun) -> PlacementOutcome | None:
        """Have it there; how the run ends, where it is not to be had. Raises OSError."""
        if not run.claimed.inputs and not (settings.CODE_URL and self._comes_from_elsewhere(run)):
            return None
        with run.getting_ready():
            try:
                self._prepare(run)
            except StoppedError:
                return run.ended_by_stop()
            except FetchError as error:
                words = f"What the job was to begin with could not be fetched: {error}."
                return run.failed(EndReason.FILES_UNAVAILABLE, words)
        return None

    def _comes_from_elsewhere(self, run: PlacementRun) -> bool:
        """Whether the attempt before it, if there was any, has not run in this home."""
        return run.claimed.attempt > 1 and not self._has_run_here(run, run.claimed.attempt - 1)

    def _has_run_here(self, run: PlacementRun, attempt: int) -> bool:
        return (self._jobs / str(run.claimed.job_id) / "outputs" / str(attempt)).is_dir()

    def _prepare(self, run: PlacementRun) -> None:
        if not settings.CODE_URL:
            raise FetchError(NOWHERE)
        with connected(run.claimed.token) as client:
            path = f"placements/{run.placement_id}/beginning"
            told = self._once_it_is_there(run, client, path)
            inputs = run.folder / INPUTS
            if run.claimed.inputs:
                shutil.rmtree(inputs, ignore_errors=True)
                files = [[_below(one["to"], file[0]), *file[1:]] for one in told["inputs"] for file in one["files"]]
                self._fetch(run, client, path, Laying(inputs, files))
            checkpoint = told["checkpoint"]
            if checkpoint is not None and not self._has_run_here(run, checkpoint["attempt"]):
                staged = self._jobs / str(run.claimed.job_id) / f"{INCOMING}{run.placement_id}"
                shutil.rmtree(staged, ignore_errors=True)
                try:
                    self._fetch(run, client, path, Laying(staged, checkpoint["files"]))
                    self._move_in(run, staged)
                finally:
                    shutil.rmtree(staged, ignore_errors=True)
                run.note(
                    "checkpoint_fetched",
                    f"What attempt {checkpoint['attempt']} had saved was fetched from the storage.",
                )

    def _once_it_is_there(self, run: PlacementRun, client: httpx.Client, path: str) -> Beginning:
        """What other nodes still upload is waited for; an attempt goes on with an older checkpoint rather than not at all."""
        until = time.monotonic() + settings.OUTPUT_WAIT_SECONDS
        told = self._ask(run, client, path)
        pause = FIRST_PAUSE_SECONDS
        if awaited := self._awaited(run, told):
            run.note("waits_for_outputs", f"Waits for what another node still uploads: {', '.join(awaited)}.")
        while awaited and time.monotonic() < until:
            wait(run, pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            told = self._ask(run, client, path)
            awaited = self._awaited(run, told)
        if awaited:
            told = self._ask(run, client, path, only_kept=True)
            run.note(
                "outputs_not_waited_for",
                f"Has waited {settings.OUTPUT_WAIT_SECONDS:g} seconds for {', '.join(awaited)}.",
            )
        for one in told["inputs"]:
            if one["state"] in (COMING, MISSING):
                raise FetchError(f"{one['path'] or 'outputs'} of job {one['job']}: {one['message']}", final=True)
        return told

    def _awaited(self, run: PlacementRun, told: Beginning) -> list[str]:
        names = [f"job {one['job']}" for one in told["inputs"] if one["state"] == COMING]
        checkpoint = told["checkpoint"] or {"state": ""}
        if checkpoint["state"] == COMING and not self._has_run_here(run, checkpoint["attempt"]):
            names.append(f"attempt {checkpoint['attempt']}")
        return names

    def _ask(self, run: PlacementRun, client: httpx.Client, path: str, *, only_kept: bool = False) -> Beginning:
        def once() -> Beginning:
            told: Beginning = asked(client, "GET", path, params={"only_kept": only_kept})
            return told

        return patiently(run, "What it begins with, of", once)

    def _fetch(self, run: PlacementRun, client: httpx.Client, path: str, laying: Laying) -> None:
        self._require_room(laying.size)
        laying.begin()
        patiently(
            run,
            "What it begins with, of",
            lambda: self._fetch_rest(run, client, path, laying),
            progress=lambda: laying.done,
        )
        laying.finish()
        if run.stopping is not None:
            raise StoppedError

    def _fetch_rest(self, run: PlacementRun, client: httpx.Client, path: str, laying: Laying) -> None:
        for batch in batches(laying.lacking, laying.sizes):
            with answer(client, "POST", path, json={"blobs": batch}) as response:
                pieces = Reader(response.iter_raw(), run)
                for sha256, size in read_index(pieces.line(), set(batch)):
                    try:
                        laying.put(sha256, pieces.take(size))
                    except SpoiltError as error:
                        raise FetchError(str(error)) from error

    def _require_room(self, needed: int) -> None:
        free = self._disk.free_mb() - settings.DISK_RESERVE_MB
        if free * MIB < needed:
            words = f"no room for what the job begins with: {needed / MIB:.0f} MB are needed, {max(0, free):.0f} MB are free"
            raise OSError(ENOSPC, f"{words} beside the reserve of {settings.DISK_RESERVE_MB:g} MB")

    def _move_in(self, run: PlacementRun, staged: Path) -> None:
        """Each file or folder whole, in the place of one of its name. Nothing of the job runs meanwhile."""
        home = self._jobs / str(run.claimed.job_id)
        (home / CHECKPOINTS).mkdir(exist_ok=True)
        if user := self._walls.user_of(run.claimed.job_id):
            hand_over(staged, user)
        folder = left_files.opened(self._jobs, home.name, CHECKPOINTS)
        try:
            for entry in sorted(staged.iterdir()):
                with contextlib.suppress(FileNotFoundError):
                    if entry.is_dir() and not entry.is_symlink():
                        _make_way(entry.name, folder)
                os.rename(entry, entry.name, dst_dir_fd=folder)
        finally:
            os.close(folder)


def _make_way(name: str, folder: int) -> None:
    """A folder goes only where nothing is."""
    try:
        shutil.rmtree(name, dir_fd=folder)
    except NotADirectoryError:
        os.unlink(name, dir_fd=folder)


def _below(place: str, path: str) -> str:
    return f"{place}/{path}" if path else place
