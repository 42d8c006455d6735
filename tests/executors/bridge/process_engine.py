"""The engine that speaks to a cluster of processes: every call is a file or two, so all of them may be repeated."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from executors.engine import ClusterGpu, ClusterNode, Observed, OutOfReachError, Output, Phase, Workload
from jobs.attempts.claims import PlacementSpec
from scheduling.lifecycle import EndReason
from tests.executors.bridge.process_cluster import CUT, NODES, OBSERVED, OUTPUT, STOPS, WANTED, put

READ_BYTES = 1024 * 1024


def connect(cluster: str, options: Mapping[str, str]) -> "ProcessEngine":
    if set(options) != {"folder"}:
        raise ValueError(
            f"--set {', '.join(sorted(options)) or 'nothing'}: the folder of the cluster must be said, and nothing else."
        )
    return ProcessEngine(Path(options["folder"]))


class ProcessEngine:
    """`out-of-reach` in the folder: it does not answer, with these words."""

    kind = "process"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asks_at_once = 1
        self._seen = 0

    def nodes(self) -> Sequence[ClusterNode]:
        return [
            ClusterNode(**{**one, "gpus": tuple(ClusterGpu(*gpu) for gpu in one.get("gpus", ()))}, address="127.0.0.1")
            for one in self._read(NODES)
        ]

    def start(self, workload: Workload) -> None:
        self._reach()
        path = self.folder / WANTED / f"{workload.name}.json"
        asked = {
            "members": [self._member(workload.name, spec) for spec in workload.members],
            "max_runtime_seconds": workload.job.max_runtime_seconds,
            "image": workload.image,
            "nodes": list(workload.nodes),
        }
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}")
        temporary.write_text(json.dumps(asked), encoding="utf-8")
        try:
            os.link(temporary, path)  # refused where it is there
        except FileExistsError:
            pass
        finally:
            temporary.unlink()

    def observe(self) -> Mapping[str, Observed]:
        rows: dict[str, dict[str, Any]] = self._read(OBSERVED)
        return {
            name: Observed(
                name,
                **{
                    **row,
                    "phase": Phase(row["phase"]),
                    "reason": EndReason(row["reason"]) if row.get("reason") else None,
                },
            )
            for name, row in rows.items()
        }

    def wait(self, seconds: float) -> None:
        ends_at = time.monotonic() + seconds
        while (seen := self._stamp()) == self._seen and time.monotonic() < ends_at:
            time.sleep(0.02)
        self._seen = seen

    def stop(self, name: str, grace_seconds: float) -> None:
        self._reach()
        put(self.folder / STOPS / name, grace_seconds)

    def forget(self, name: str) -> None:
        self._reach()
        (self.folder / WANTED / f"{name}.json").unlink(missing_ok=True)

    def read_log(self, name: str, rank: int, position: int) -> Output:
        return self._output(name, f"log.{rank}", position)

    def read_reports(self, name: str, position: int) -> Output:
        return self._output(name, "report.jsonl", position)

    def unsupported(self) -> Mapping[str, str]:
        return {"suspend": "Processes of this cluster cannot stand still."}

    def close(self) -> None:
        pass

    def _output(self, name: str, file: str, position: int) -> Output:
        self._reach()
        try:
            with (self.folder / OUTPUT / name / file).open("rb") as opened:
                opened.seek(position)
                data = opened.read(READ_BYTES)
        except OSError:
            data = b""
        return Output(data, position + len(data))

    def _member(self, name: str, spec: PlacementSpec) -> dict[str, Any]:
        kept = self.folder / "jobs" / str(spec.job_id)
        (kept / "checkpoints").mkdir(parents=True, exist_ok=True)
        env = {
            "PATH": os.environ["PATH"],
            **spec.env,
            "TRAINYARD_JOB_ID": str(spec.job_id),
            "TRAINYARD_ATTEMPT": str(spec.attempt),
            "TRAINYARD_CHECKPOINT_DIR": str(kept / "checkpoints"),
            "TRAINYARD_REPORT": str(self.folder / OUTPUT / name / "report.jsonl"),
            "RANK": str(spec.rank),
            "WORLD_SIZE": str(spec.nodes),
            "MASTER_ADDR": spec.master_address,
            "MASTER_PORT": str(spec.master_port),
        }
        return {"command": list(spec.command), "env": env, "cwd": spec.working_dir}

    def _read(self, name: str) -> Any:
        self._reach()
        return json.loads((self.folder / name).read_text(encoding="utf-8"))

    def _reach(self) -> None:
        if (self.folder / CUT).exists():
            raise OutOfReachError((self.folder / CUT).read_text(encoding="utf-8") or "The cluster is cut off.")

    def _stamp(self) -> int:
        try:
            return (self.folder / OBSERVED).stat().st_mtime_ns
        except OSError:
            return 0
