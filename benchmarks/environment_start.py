"""`python -m benchmarks.environment_start`: what a cached environment costs a start, beside one without.

One node's own part of a start, from the claim's folder to a process that has begun, with and without the environment:
all the rest of a job's way is the same for both. Medians, alternating, on whatever else the machine does meanwhile.
"""

import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "scheduler_site.settings")
os.environ.setdefault("TRAINYARD_SECRET_KEY", "of a benchmark")
django.setup()

from executors.node.code import COPY  # noqa: E402  Django first
from executors.node.environments import NodeEnvironments  # noqa: E402
from executors.run.placement_run import PlacementRun  # noqa: E402
from jobs.attempts.claims import PlacementSpec  # noqa: E402
from workers.hardware.disk import Disk  # noqa: E402
from workers.runtime.process import Command, launch  # noqa: E402
from workers.runtime.shim.clock import boottime  # noqa: E402
from workers.runtime.walls import Place, Walls  # noqa: E402

STARTS = 40
AT_MOST_MS = 100.0
REQUIREMENTS = {"requirements": "requirements.txt"}
PLAIN = PlacementSpec(
    placement_id=1, token=str(1), job_id=1, job_name="", attempt_id=1, attempt=1, project="p", command=("python", "-c", ""),
    working_dir="", env={}, cpus=1, memory_mb=0, gpu_indices=(), max_runtime_seconds=None, code="c" * 64,
)  # fmt: skip


def main() -> None:
    with TemporaryDirectory() as folder:
        home = Path(folder)
        walls = Walls(home, home)
        environments = NodeEnvironments(home / "environments", Disk([home], 0), walls)
        environments.start()
        start(environments, walls, home, 0, REQUIREMENTS)  # builds it
        pairs = [
            [
                start(environments, walls, home, 2 * number + which, kind)
                for which, kind in enumerate(({}, REQUIREMENTS))
            ]
            for number in range(1, STARTS + 1)
        ]
    without, with_one = (median(each) for each in zip(*pairs, strict=True))
    print(
        f"start of a process, median of {STARTS}: {without:.1f} ms without, {with_one:.1f} ms in a cached environment: "
        f"{with_one - without:+.1f} ms (at most {AT_MOST_MS:g}), ratio {with_one / without:.2f}"
    )
    sys.exit(with_one - without > AT_MOST_MS)


def start(environments: NodeEnvironments, walls: Walls, home: Path, number: int, environment: dict[str, str]) -> float:
    """Milliseconds until its process has ended, which does nothing."""
    run = PlacementRun(
        replace(PLAIN, placement_id=number, environment=environment), home / str(number), lease_deadline=boottime() + 60
    )
    (run.folder / COPY).mkdir(parents=True)
    (run.folder / COPY / "requirements.txt").write_text("")
    began = time.perf_counter()
    if (ending := environments.prepare(run)) is not None:
        sys.exit(f"It could not be built: {ending.message}")
    place = Place(1, run.folder)
    walls.prepare(place)
    env = {"PATH": os.environ["PATH"], **environments.variables(run)}
    command = Command(("true",), "/", env, 10_000, 1.0)
    result = launch(run.folder, walls.around(command, place), lease_deadline=run.lease_deadline).wait(60)
    took = (time.perf_counter() - began) * 1000
    walls.clear(run.folder, 1)
    environments.release(run)
    if result is None or result.exit_code != 0:
        sys.exit(f"It did not run: {result}")
    return took


if __name__ == "__main__":
    main()
