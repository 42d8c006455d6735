"""What walls cost a job: a command that does nothing, from its launch to its end, behind all of them and behind none."""

import os
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.figures import Figure, percentile
from workers.runtime import walls
from workers.runtime.process import Command, launch, server
from workers.runtime.shim.clock import boottime
from workers.runtime.walls import Place, Walls

RUNS = 60
WARM_UP = 5
ENDS_WITHIN = 30.0
MOST_MS = 30.0


def figures() -> list[Figure]:
    """None where the agent would not be root: there are no walls to build."""
    if os.geteuid() != 0:
        return []
    with TemporaryDirectory() as folder:
        home = Path(folder)
        ways = {"none": built(home, "agent", private=False), "all": built(home, "auto", private=True)}
        if not ways["all"].view:
            return []
        took: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(WARM_UP + RUNS):
            for name, around in ways.items():  # in turn: whatever else the machine does, it does to both
                took[name].append(one(around, number))
    server.close()
    return of({name: times[WARM_UP:] for name, times in took.items()})


def built(home: Path, run_as: str, *, private: bool) -> Walls:
    (home / "jobs").mkdir(exist_ok=True)
    node = home / "nodes" / run_as
    return walls.build(home=home, node=node, run_as=run_as, private=private, process_limit=4096, job_folders=())


def one(around: Walls, number: int) -> float:
    """In milliseconds, folders and handing over included."""
    folder = around.node / "attempts" / str(number)
    kept = around.home / "jobs" / str(number) / "checkpoints"
    kept.mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True)
    place = Place(number, folder, (kept,))
    began = time.monotonic()
    around.prepare(place)
    environment = {"PATH": os.environ.get("PATH", os.defpath), **around.environment(place)}
    command = around.around(Command(("true",), "/", environment, 10**6, 1.0), place)
    outcome = launch(folder, command, lease_deadline=boottime() + ENDS_WITHIN).wait(ENDS_WITHIN)
    took = (time.monotonic() - began) * 1000
    around.clear(folder, number)
    if outcome is None or outcome.exit_code != 0:
        raise RuntimeError(f"The command did not end as it should: {outcome}.")
    return took


def of(took: dict[str, list[float]]) -> list[Figure]:
    more = [after - before for before, after in zip(took["none"], took["all"], strict=True)]
    note = f"{RUNS} times `true`, in turn"
    whole = [
        Figure(f"a no-op behind walls, p{share:.0%}".rstrip("%"), percentile(took["all"], share), "ms",
               (min(took["all"]), max(took["all"])), reference=percentile(took["none"], share), note=note)
        for share in (0.5, 0.95)
    ]  # fmt: skip
    return [*whole, Figure("what walls add to a job, p50", median(more), "ms", (min(more), max(more)), at_most=MOST_MS)]
