"""A cluster of this machine's processes: it outlives its bridges as Kubernetes and Slurm do, and is asked through files.

`python -m tests.executors.bridge.process_cluster FOLDER` is its control plane. What is to run lies in `wanted/NAME.json`,
what it thinks of all of it in `observed.json`, what a workload wrote in `output/NAME/`.
"""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TURN_SECONDS = 0.02
WANTED, STOPS, OUTPUT, OBSERVED, NODES, CUT = "wanted", "stops", "output", "observed.json", "nodes.json", "out-of-reach"


def lay_out(folder: Path, nodes: list[dict[str, Any]]) -> None:
    """An empty cluster with these nodes."""
    for name in (WANTED, STOPS, OUTPUT):
        (folder / name).mkdir(parents=True, exist_ok=True)
    put(folder / NODES, nodes)
    if not (folder / OBSERVED).exists():
        put(folder / OBSERVED, {})


def put(path: Path, data: object) -> None:
    """Whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    temporary.write_text(json.dumps(data), encoding="utf-8")
    temporary.replace(path)


@dataclass
class Running:
    """One workload that was begun."""

    asked: dict[str, Any]
    began: float
    members: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    stop_asked: bool = False
    killed_by: float | None = None  # when it is killed, if it was told to stop
    reason: str | None = None
    ended: dict[str, Any] | None = None


class ControlPlane:
    """Begins what is wanted, ends what is to stop, and writes down how everything is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, Running] = {}
        self._written = ""
        self._holds = False

    def serve(self) -> None:
        while True:
            self.turn()
            time.sleep(TURN_SECONDS)

    def turn(self) -> None:
        wanted = {path.stem: path for path in (self._folder / WANTED).glob("[!.]*.json")}
        for name in [name for name in self._known if name not in wanted]:
            self._forget(name)
        for name, path in wanted.items():
            if name not in self._known:
                self._begin(name, json.loads(path.read_text(encoding="utf-8")))
        for path in (self._folder / STOPS).glob("[!.]*"):
            self._stop(path.name, float(path.read_text(encoding="utf-8")))
            path.unlink(missing_ok=True)
        for running in self._known.values():
            self._follow(running)
        self._write()

    def hold(self) -> None:
        """From now on nothing begins, as when others have all the room."""
        self._holds = True

    def _begin(self, name: str, asked: dict[str, Any]) -> None:
        running = self._known[name] = Running(asked, time.time())
        if self._holds:
            return
        output = self._folder / OUTPUT / name
        output.mkdir(parents=True, exist_ok=True)
        for rank, member in enumerate(asked["members"]):
            with (output / f"log.{rank}").open("ab") as log:
                try:
                    running.members.append(
                        subprocess.Popen(
                            member["command"],
                            env=member["env"],
                            cwd=member["cwd"] or output,
                            stdout=log,
                            stderr=log,
                            stdin=subprocess.DEVNULL,
                            start_new_session=True,
                        )
                    )
                except OSError as error:
                    running.ended = self._end(running, "start_failed", None, str(error))

    def _stop(self, name: str, grace: float) -> None:
        running = self._known.get(name)
        if running is None or running.ended:
            return
        running.stop_asked = True
        if not running.members:
            running.ended = self._end(running, "cancelled", None, "")
        self._terminate(running, grace)

    def _terminate(self, running: Running, grace: float) -> None:
        at = time.time() + grace
        first, running.killed_by = running.killed_by is None, min(at, running.killed_by or at)
        for member in running.members if first else ():
            _signal(member, signal.SIGTERM)

    def _follow(self, running: Running) -> None:
        if running.ended or not running.members:
            return
        codes = [member.poll() for member in running.members]
        limit = running.asked["max_runtime_seconds"]
        if limit and time.time() > running.began + limit and running.reason is None:
            running.reason = "timeout"
            self._terminate(running, 1.0)
        if any(code not in (None, 0) for code in codes) and None in codes:
            self._terminate(running, 1.0)  # a gang ends with its first member that fails
        if running.killed_by is not None and time.time() > running.killed_by:
            for member in running.members:
                _signal(member, signal.SIGKILL)
        if None not in codes:
            worst = next((rank for rank, code in enumerate(codes) if code), 0)
            code = codes[worst] or 0
            reason = running.reason or ("completed" if not code else "exit_code")
            running.ended = self._end(running, reason, code if code >= 0 else 128 - code, "", worst)

    def _end(self, running: Running, reason: str, code: int | None, message: str, rank: int = 0) -> dict[str, Any]:
        told = {"exit_code": code, "reason": reason, "message": message, "rank": rank}
        return {"ended_at": time.time(), "stop_asked": running.stop_asked, **told}

    def _forget(self, name: str) -> None:
        """Somebody removed it: what still runs of it is killed, as when a Kubernetes Job is deleted."""
        running = self._known.pop(name)
        for member in running.members:
            _signal(member, signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                member.wait(1)

    def _write(self) -> None:
        observed = {
            name: {"phase": _phase(one), "started_at": one.began if one.members else None, **(one.ended or {})}
            for name, one in self._known.items()
        }
        text = json.dumps(observed)
        if text != self._written:
            put(self._folder / OBSERVED, observed)
            self._written = text


def _phase(running: Running) -> str:
    return "ended" if running.ended else "running" if running.members else "waiting"


def _signal(member: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    if member.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(member.pid, number)


if __name__ == "__main__":
    ControlPlane(Path(sys.argv[1])).serve()
