"""`python -m benchmarks.slurm_engine`: jobs that do nothing, through the engine of Slurm and by bare `sbatch`, on one real Slurm.

By turns, in the same run: what the engine adds to a job that runs at once, and how many go through when many come at once.
Wants `make slurm`, and root.
"""

import argparse
import json
import os
import sys
from pathlib import Path

import django

from tests.clusters.slurm.slurm_cluster import RELEASES, slurm_cluster, why_absent


def main() -> None:
    given = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    given.add_argument("--release", choices=RELEASES, default=RELEASES[0])
    given.add_argument("--one-by-one", type=int, default=25, help="jobs of each kind, by turns")
    given.add_argument("--at-once", type=int, default=500, help="jobs of each kind, all together")
    options = given.parse_args()
    if reason := why_absent(options.release):
        sys.exit(reason)
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "scheduler_site.settings",
        "TRAINYARD_SECRET_KEY": "for-the-benchmark-only",
    }
    django.setup()
    # Only now: models can be imported once Django knows its settings.
    from benchmarks import slurm_turns  # noqa: PLC0415

    with slurm_cluster(options.release, nodes=8) as cluster:
        engine = slurm_turns.new_engine(cluster)
        one = slurm_turns.one_by_one(engine, cluster, options.one_by_one)
        many = slurm_turns.at_once(engine, cluster, options.at_once)
    show({"release": options.release, **one, **many})


def show(figures: dict[str, float | str]) -> None:
    folder = Path("benchmarks/results")
    folder.mkdir(exist_ok=True)
    (folder / "slurm_engine.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    for name, value in figures.items():
        sys.stdout.write(f"{name:24} {value}\n")


if __name__ == "__main__":
    main()
