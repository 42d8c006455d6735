"""How much memory a process takes that plans for 100,000 waiting jobs on a full fleet of 1,000 nodes with 8 GPUs each.

Run: python -m benchmarks.plan_memory, which prints the megabytes of this very process at its peak.
"""

import resource
import subprocess
import sys

from benchmarks.figures import Figure
from benchmarks.plan_speed import cases
from scheduling.planning.plan import make_plan

WAITING, NODES = 100_000, 1_000
AT_MOST_MB = 500.0


def figures() -> list[Figure]:
    """Measured in a process of its own, which holds the snapshot and one plan."""
    done = subprocess.run([sys.executable, "-m", __spec__.name], capture_output=True, text=True, check=True)
    note = f"resident at its peak, snapshot and plan; {WAITING:,} jobs wait, {NODES:,} nodes"
    return [Figure("plan: memory", float(done.stdout), "MB", at_most=AT_MOST_MB, note=note)]


def main() -> None:
    snapshot, _ = cases(WAITING, NODES, only="full, 4 shapes")["full, 4 shapes"]
    plan = make_plan(snapshot, 0.0)
    assert len(plan.waits) == WAITING
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    main()
