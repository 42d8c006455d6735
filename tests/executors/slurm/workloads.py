"""Workloads as a bridge makes them, and waiting for what becomes of them."""

import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from executors.engine import Engine, Observed, OutOfReachError, Phase, Workload
from jobs.attempts.claims import PlacementSpec
from tests.waiting import wait_for

PATH = "/usr/local/bin:/usr/bin:/bin"
_numbers = itertools.count(1)


def workload(
    *command: str,
    nodes: Sequence[str] = ("n1",),
    env: Mapping[str, str] | None = None,
    gpus: int = 0,
    gpu_model: str = "",
    **fields: Any,
) -> Workload:
    number = next(_numbers)
    first = PlacementSpec(
        placement_id=number, token="t", job_id=number, job_name="job", attempt_id=number, attempt=1, project="research",
        command=command, working_dir=fields.pop("working_dir", "/tmp"), env=env or {}, cpus=fields.pop("cpus", 1), memory_mb=100,
        gpu_indices=tuple(range(gpus)), max_runtime_seconds=fields.pop("max_runtime_seconds", None), nodes=len(nodes),
        master_address="127.0.0.1" if len(nodes) > 1 else "", grace_seconds=fields.pop("grace_seconds", 5),
    )  # fmt: skip
    members = tuple(replace(first, rank=rank) for rank in range(len(nodes)))
    return Workload(
        name=f"ty-{number}-1-{os.urandom(6).hex()}", members=members, nodes=tuple(nodes), gpu_model=gpu_model, **fields
    )


def shell(text: str, **fields: Any) -> Workload:
    return workload("/bin/bash", "-c", text, **fields)


def seen(engine: Engine, name: str) -> Observed | None:
    try:
        return engine.observe().get(name)
    except OutOfReachError:
        return None


def wait_for_phase(engine: Engine, name: str, phase: Phase, timeout: float = 40) -> Observed:
    def look() -> Observed | None:
        engine.wait(1)
        found = seen(engine, name)
        assert found is None or phase == Phase.ENDED or found.phase != Phase.ENDED, found
        return found if found is not None and found.phase == phase else None

    found = wait_for(look, timeout, f"{name} to be {phase}")
    assert found is not None
    return found


def ended(engine: Engine, name: str, timeout: float = 40) -> Observed:
    return wait_for_phase(engine, name, Phase.ENDED, timeout)


def printed(engine: Engine, name: str, rank: int = 0) -> str:
    return engine.read_log(name, rank, 0).data.decode()
