"""What attempts left on this node, on its way into the storage: one after the other, beside all that runs.

Each file is hashed in the same reading in which it is sent, part by part, so what arrives is what its hash says, and an
agent that was restarted sends only what is not there yet. What cannot come along is told by name, size and reason.
"""

import hashlib
import json
import logging
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx
from django.conf import settings

from executors.node.site import FetchError, asked, connected
from executors.run import outbox
from executors.run.outbox import Waiting
from executors.run.placement_run import PlacementRun
from jobs.code.manifest import PART_BYTES
from workers.runtime import left_files
from workers.runtime.left_files import Left

log = logging.getLogger(__name__)
OUTPUT, CHECKPOINT = "output", "checkpoint"
FILES_AT_ONCE, NAMES_AT_ONCE = 500, 256 * 1024
READINGS = 3
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 60.0
CHANGES = "It changed while it was read."
FULL = "There is more than is kept of one attempt"
MIB = 2**20


class ClosedError(Exception):
    """The agent ends; the next one goes on."""


class NodeOutputs:
    """One thread of the agent."""

    def __init__(self, node: Path, jobs: Path) -> None:
        """`node` is the agent's own folder, `jobs` where each job has a folder."""
        self._node = node
        self._jobs = jobs
        self._wake = threading.Event()
        self._closed = threading.Event()
        self._settled = threading.Event()
        self._settled.set()

    def start(self) -> None:
        if settings.CODE_URL:
            self._settled.clear()
            threading.Thread(target=self._loop, name="outputs", daemon=True).start()

    def close(self) -> None:
        """Begin nothing more; what is under way the next agent begins again."""
        self._closed.set()
        self._wake.set()

    def finish(self, within: float) -> None:
        """Close, once all is uploaded or something failed, within so many seconds: the machine may go with its disk."""
        self.look()
        self._settled.wait(within)
        self.close()

    def take(self, run: PlacementRun) -> None:
        """What the run has left is to be uploaded. Before its end is told, so that no death of this agent loses it."""
        claimed = run.claimed
        home = self._jobs / str(claimed.job_id)
        if settings.CODE_URL and any(
            map(_holds_anything, (home / "outputs" / str(claimed.attempt), home / "checkpoints"))
        ):
            try:
                outbox.put(self._node, claimed)
                self._settled.clear()
            except OSError as error:
                log.warning("What job %d left stays on its node: %s", claimed.job_id, error, extra=claimed.ids)

    def look(self) -> None:
        """There may be something new."""
        self._wake.set()

    def _loop(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._closed.is_set():
            self._wake.clear()
            if self.turn():
                pause = FIRST_PAUSE_SECONDS
                if next(outbox.waiting(self._node), None) is None:
                    self._settled.set()
                    self._wake.wait()
            else:
                self._settled.set()
                self._closed.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def turn(self) -> bool:
        """Upload what waits; whether nothing is left of that."""
        done = True
        for one in outbox.waiting(self._node):
            try:
                self._upload(one)
            except ClosedError:
                return False
            except FetchError as error:
                if not error.final:
                    log.warning("What job %d left was not uploaded, trying again: %s", one.job_id, error)
                    done = False
                    continue
                log.warning("What job %d left stays on its node: %s", one.job_id, error)
            except Exception:
                log.exception("What job %d left could not be uploaded; it is tried again.", one.job_id)
                done = False
                continue
            outbox.remove(self._node, one.placement_id)
        return done

    def _upload(self, one: Waiting) -> None:
        with connected(one.token) as client:
            upload = _Upload(client, one, self._closed)
            for kind, names in ((OUTPUT, ("outputs", str(one.attempt))), (CHECKPOINT, ("checkpoints",))):
                try:
                    folder = left_files.opened(self._jobs, str(one.job_id), *names)
                except OSError as error:
                    upload.message = f"The folder of {kind}s cannot be read: {error.strerror}."
                    continue
                try:
                    upload.folder(kind, folder)
                finally:
                    os.close(folder)
            upload.complete()


def _holds_anything(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is not None
    except OSError:
        return False


class _Upload:
    """What one placement left."""

    def __init__(self, client: httpx.Client, one: Waiting, closed: threading.Event) -> None:
        self._client = client
        self._path = f"placements/{one.placement_id}/outputs"
        self._closed = closed
        self._limits = asked(client, "GET", self._path)
        self._room = self._limits["files"]
        most = self._limits.get("project_bytes")  # an older site says nothing of it
        self._project_room = float("inf") if most is None else most
        self._parts: dict[str, bytes] = {}
        self._files: list[dict[str, Any]] = []
        self._left_out = self._left_out_bytes = self._names = 0
        self.message = ""

    def folder(self, kind: str, folder: int) -> None:
        """All below it; of checkpoints the newest first, as only so much is kept."""
        most = room = self._limits[f"{kind}_bytes"]
        if not most:
            return
        left: Iterable[Left] = left_files.found(folder)
        if kind == CHECKPOINT:
            left = sorted(left, key=lambda one: -one.modified_ns)
        for one in left:
            if self._closed.is_set():
                raise ClosedError
            if one.size > room:
                why = one.fault or f"{FULL}: {most / MIB:g} MB of {kind}s."
            else:
                why = one.fault or self._too_much(kind, one.size)
            if why:
                self._leave_out(kind, one, why)
            else:
                taken = self._take(kind, one, folder, room)
                room -= taken
                self._project_room -= taken

    def _too_much(self, kind: str, size: int) -> str:
        """Why one more file of this size is not kept; empty: it is."""
        if self._room <= 0:
            return f"{FULL}: {self._limits['files']} files."
        if size <= self._project_room or (kind == CHECKPOINT and self._limits["project_takes_checkpoints"]):
            return ""
        return str(self._limits["project_words"])

    def _take(self, kind: str, one: Left, folder: int, room: int) -> int:
        """Send it; how much it takes of the room."""
        if one.link:
            self._say(kind, one, link=one.link)
            return 0
        for _ in range(READINGS):
            try:
                with left_files.opened_file(folder, one.name) as file:
                    said = self._read(file, room)
            except FileNotFoundError:
                return 0  # removed meanwhile
            except OSError as error:
                self._leave_out(kind, one, f"{left_files.UNREADABLE}: {error.strerror}.")
                return 0
            if said is not None:
                self._say(kind, one, **said)
                return int(said["size"])
        self._leave_out(kind, one, CHANGES)
        return 0

    def _read(self, file: int, room: int) -> dict[str, Any] | None:
        """What it holds, sent as far as it was not there; None, if it changed meanwhile."""
        before = os.fstat(file)
        whole, parts, size = hashlib.sha256(), [], 0
        while data := _part(file):
            size += len(data)
            if size > min(before.st_size, room):
                return None
            sha256 = hashlib.sha256(data).hexdigest()
            whole.update(data)
            parts.append(sha256)
            self._send(sha256, data)
        after = os.fstat(file)
        if size != before.st_size or (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            return None
        return {"size": size, "modified_ns": before.st_mtime_ns, "sha256": whole.hexdigest(), "parts": parts}

    def _send(self, sha256: str, data: bytes) -> None:
        if self._closed.is_set():
            raise ClosedError
        if sum(map(len, self._parts.values())) + len(data) > PART_BYTES:
            self._flush()
        self._parts[sha256] = data

    def _say(self, kind: str, one: Left, **more: Any) -> None:
        known = {"size": one.size, "modified_ns": one.modified_ns, "executable": one.executable}
        self._files.append({"kind": kind, "path": one.path, **known, **more})
        self._room -= "left_out" not in more
        self._names += len(one.name) + len(one.link)
        if len(self._files) >= FILES_AT_ONCE or self._names > NAMES_AT_ONCE:
            self._flush()

    def _leave_out(self, kind: str, one: Left, why: str) -> None:
        self._left_out += 1
        self._left_out_bytes += one.size
        if self._left_out <= self._limits["named_left_out"]:
            self._say(kind, one, left_out=why)

    def _flush(self) -> None:
        """Have the parts there, and then the files that consist of them."""
        missing = self._listed()
        if missing:
            lacking = [sha256 for sha256 in missing if sha256 in self._parts]
            if len(lacking) < len(missing):
                raise FetchError("the storage has forgotten a part of a file")
            index = [[sha256, len(self._parts[sha256])] for sha256 in lacking]
            body = b"".join((json.dumps(index).encode(), b"\n", *(self._parts[sha256] for sha256 in lacking)))
            headers = {"Content-Type": "application/octet-stream"}
            asked(self._client, "PUT", f"{self._path}/blobs", content=body, headers=headers)
            if self._files and self._listed():
                raise FetchError("the storage lacks what was just sent to it")
        self._parts, self._files, self._names = {}, [], 0

    def _listed(self) -> list[str]:
        if not self._parts and not self._files:
            return []
        body = {"files": self._files, "blobs": list(self._parts)}
        missing: list[str] = asked(self._client, "POST", self._path, json=body)["missing"]
        return missing

    def complete(self) -> None:
        self._flush()
        said = {"left_out": self._left_out, "left_out_bytes": self._left_out_bytes, "message": self.message}
        asked(self._client, "POST", f"{self._path}/complete", json=said)


def _part(file: int) -> bytes:
    """The next so many bytes, less only at the end."""
    pieces, size = [], 0
    while size < PART_BYTES and (data := os.read(file, PART_BYTES - size)):
        pieces.append(data)
        size += len(data)
    return b"".join(pieces)
