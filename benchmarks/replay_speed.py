"""How many jobs of a whole log a replay takes in a second of a processor: processors counted, and the planner asked.

Run: python -m benchmarks.replay_speed [--traces FOLDER] [--planner] [NAME:PROCESSORS]

The log is looked for as in published_figures. Reading it is not in, the figures of the outcome are: median, lowest and
highest of three. --planner measures the planner too, which takes minutes.
"""

import argparse
import statistics
import time
from pathlib import Path

from benchmarks.published_figures import TRACES
from benchmarks.recommended_policy import EASY, RECOMMENDED, Variant
from scheduling.planning.plan import make_plan
from simulator.experiment import Experiment, prepare
from simulator.replay import Planner

RUNS = 3
LOG = "ctc_sp2_1996:338"


def jobs_a_second(experiment: Experiment, variant: Variant, planner: Planner | None) -> list[float]:
    """Of each run."""
    found = []
    for _ in range(RUNS):
        start = time.process_time()
        experiment.run(variant.settings, planner=planner)
        found.append(experiment.jobs / (time.process_time() - start))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replay_speed", description=__doc__)
    parser.add_argument("log", nargs="?", default=LOG, metavar="NAME:PROCESSORS", help="a trace, and its width")
    parser.add_argument("--traces", type=Path, default=TRACES, help="the folder of the traces")
    parser.add_argument("--planner", action="store_true", help="measure the planner too")
    options = parser.parse_args()
    name, _, processors = options.log.partition(":")
    experiment = prepare(str(options.traces / f"{name}.csv.gz"), processors=int(processors))
    for how, planner in (("counted", None), ("planned", make_plan))[: 1 + options.planner]:
        for variant in (EASY, *RECOMMENDED):
            found = jobs_a_second(experiment, variant, planner)
            middle, low, high = statistics.median(found), min(found), max(found)
            print(f"{options.log}, {variant.name}, {how}: {middle:,.0f} jobs/s ({low:,.0f} to {high:,.0f})", flush=True)


if __name__ == "__main__":
    main()
