"""The code that a job brings along, on its way to this node: what the cache lacks is fetched, then its attempt gets a copy.

Over HTTP from the site, with the token of the placement, which its agent has anyway: no node needs a key of the storage.
One fetch at a time: of a thousand jobs that start here with the same code the first one fetches it.
"""

import contextlib
import json
import shutil
import threading
from collections.abc import Iterator, Sequence
from errno import ENOSPC
from pathlib import Path
from typing import Any

import httpx
from django.conf import settings

from executors.node.blob_stream import LOOK_SECONDS, Reader, StoppedError, batches, read_index
from executors.node.patience import patiently
from executors.node.site import NOWHERE, FetchError, answer, connected
from executors.run.placement_run import PlacementRun
from jobs.code import manifest
from jobs.state.outcome import PlacementOutcome
from scheduling.lifecycle import EndReason
from workers.hardware.disk import MIB, Disk
from workers.runtime.code_cache import CodeCache, SpoiltError
from workers.runtime.code_files import CodeFile
from workers.runtime.process import replace_file

COPY = "code"
MANIFESTS, MOST_MANIFESTS = "manifests", 500


class NodeCode:
    """The code of all that runs on one node."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        self._folder = folder
        self._disk = disk
        self._cache = CodeCache(folder, int(settings.CODE_CACHE_GB * 2**30))
        self._fetching = threading.Lock()

    def start(self) -> None:
        """Make room for it, and remove what an agent before was at."""
        (self._folder / MANIFESTS).mkdir(parents=True, exist_ok=True, mode=0o700)
        self._cache.clear_drafts()

    def prepare(self, run: PlacementRun) -> PlacementOutcome | None:
        """Give the run a copy of its code, if it brings any; how it ends, where there is no copy. Raises OSError."""
        if not run.claimed.code:
            return None
        with run.getting_ready():
            try:
                self._prepare(run)
            except StoppedError:
                return run.ended_by_stop()
            except FetchError as error:
                return run.failed(EndReason.CODE_UNAVAILABLE, f"The job's code could not be fetched: {error}.")
        return None

    def _prepare(self, run: PlacementRun) -> None:
        if not settings.CODE_URL:
            raise FetchError(NOWHERE)
        fetch = _Fetch(run)

        def once() -> None:
            try:
                self._try(run, fetch)
            except SpoiltError as error:
                raise FetchError(str(error)) from error

        patiently(run, "The code of", once, progress=lambda: fetch.came)

    def _try(self, run: PlacementRun, fetch: "_Fetch") -> None:
        files = self._files(run, fetch)
        blobs = manifest.blobs(files)
        with self._cache.held(blobs):
            if self._cache.missing(blobs):
                with self._my_turn(run):
                    lacking = self._cache.missing(blobs)  # the one before may have fetched it
                    self._make_room(sum(blobs[sha256] for sha256 in lacking))
                    for batch in batches(lacking, blobs):
                        fetch.blobs(batch, self._cache)
                    self._cache.trim()
            self._make_room(sum(file.size for file in files))
            shutil.rmtree(run.folder / COPY, ignore_errors=True)  # half of one, of a try before
            self._cache.copy(files, run.folder / COPY, stopped=lambda: run.stopping is not None)
        if run.stopping is not None:
            raise StoppedError

    @contextlib.contextmanager
    def _my_turn(self, run: PlacementRun) -> Iterator[None]:
        while not self._fetching.acquire(timeout=LOOK_SECONDS):
            if run.stopping is not None:
                raise StoppedError
        try:
            yield
        finally:
            self._fetching.release()

    def _make_room(self, needed: int) -> None:
        """Raises OSError where the disk has too little room, also without what the cache keeps for others."""
        free = self._free_bytes()
        if free < needed:
            self._cache.trim(also_bytes=needed - free)
            free = self._free_bytes()
        if free < needed:
            words = (
                f"no room for the job's code: {needed / MIB:.0f} MB are needed, {max(0, free) / MIB:.0f} MB are free"
            )
            raise OSError(ENOSPC, f"{words} beside the reserve of {settings.DISK_RESERVE_MB:g} MB")

    def _free_bytes(self) -> int:
        return int((self._disk.free_mb() - settings.DISK_RESERVE_MB) * MIB)

    def _files(self, run: PlacementRun, fetch: "_Fetch") -> list[CodeFile]:
        """Its manifest, kept for the next job with the same code; judged by its digest each time."""
        path = self._folder / MANIFESTS / run.claimed.code
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            return _judged(json.loads(path.read_bytes()), run.claimed.code)
        data = fetch.manifest()
        try:
            files = _judged(data, run.claimed.code)
        except (ValueError, KeyError, TypeError) as error:
            raise FetchError("its list of files is not what its digest says") from error
        kept = sorted(path.parent.iterdir(), key=lambda one: one.stat().st_mtime)
        for old in kept[: max(0, len(kept) - MOST_MANIFESTS)]:
            old.unlink(missing_ok=True)
        replace_file(path, json.dumps(data))
        return files


def _judged(data: Any, digest: str) -> list[CodeFile]:
    files = manifest.from_data(data["files"])
    if manifest.joined(manifest.tree_digest(manifest.written(files)), data["origin"]) != digest:
        raise ValueError("another digest")
    return files


class _Fetch:
    """What one placement asks the site."""

    def __init__(self, run: PlacementRun) -> None:
        self._run = run
        self._path = f"placements/{run.placement_id}/code"
        self.came = 0  # blobs

    def manifest(self) -> Any:
        with self._answer("GET") as answer:
            try:
                return json.loads(answer.read())
            except ValueError as error:
                raise FetchError(f"{settings.CODE_URL} does not speak Trainyard") from error

    def blobs(self, wanted: Sequence[str], cache: CodeCache) -> None:
        """Have these in the cache. What is whole when it breaks off is kept."""
        with self._answer("POST", json={"blobs": list(wanted)}) as answer:
            pieces = Reader(answer.iter_raw(), self._run)
            for sha256, size in read_index(pieces.line(), set(wanted)):
                cache.add(sha256, pieces.take(size))
                self.came += 1

    @contextlib.contextmanager
    def _answer(self, method: str, **body: Any) -> Iterator[httpx.Response]:
        with connected(self._run.claimed.token) as client, answer(client, method, self._path, **body) as response:
            yield response
