"""How good predicted starts are on a real log: each job is foretold as it gets in line, and its start compared with that.

python -m benchmarks.start_forecast ../shared/traces/kth_sp2_1996.csv.gz --pool 100 --window 0:3000
"""

import argparse
import statistics
import time
from collections import Counter
from collections.abc import Iterable

from scheduling.forecast.effort import Effort
from scheduling.forecast.forecast import Forecast, forecast
from scheduling.planning.plan import Plan, make_plan
from scheduling.rules import Rules
from scheduling.snapshot import Snapshot
from simulator.experiment import Window, prepare
from simulator.outcome import JobOutcome
from simulator.settings import RunTimes, Settings

EFFORT = Effort(plans=60)


class Foretelling:
    """A planner that foretells each job that its plan leaves waiting for the first time."""

    def __init__(self) -> None:
        self.told: dict[int, Forecast] = {}
        self.seconds: list[float] = []
        self._seen: set[int] = set()

    def __call__(self, snapshot: Snapshot, now: float) -> Plan:
        plan = make_plan(snapshot, now)
        fresh = [job_id for job_id in plan.line if job_id not in self._seen]
        self._seen.update(job.id for job in snapshot.waiting)
        if fresh:
            began = time.process_time()
            self.told |= forecast(snapshot, now, fresh, EFFORT)
            self.seconds.append(time.process_time() - began)
        return plan


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("trace")
    options.add_argument("--pool", type=int)
    options.add_argument("--nodes")
    options.add_argument("--window", default="0:3000")
    options.add_argument("--policy", default="fifo")
    options.add_argument("--run-times", default="learned")
    its = options.parse_args()
    foretelling = Foretelling()
    settings = Settings(rules=Rules(policy=its.policy, explain=False), run_times=RunTimes(its.run_times))
    experiment = prepare(its.trace, processors=its.pool, nodes=its.nodes, windows=[Window.parse(its.window)])
    result = experiment.run(settings, planner=foretelling)
    report(result.outcome.jobs, foretelling)


def report(jobs: Iterable[JobOutcome], foretelling: Foretelling) -> None:
    starts = {one.job.number: one.start for one in jobs}
    waits = {one.job.number: one.start - one.job.trace.submit_s for one in jobs}
    pairs = [(foretelling.told[number], starts[number]) for number in foretelling.told]
    known = [(told, start) for told, start in pairs if told.expected is not None and told.latest is not None]
    errors = sorted(abs(start - told.expected) for told, start in known if told.expected is not None)
    where = Counter(
        "before" if start < (told.soonest or 0) else "after" if start > (told.latest or 0) else "inside"
        for told, start in known
    )
    waited = sorted(waits[number] for number in foretelling.told)
    widths = sorted((told.latest or 0) - (told.soonest or 0) for told, _ in known)
    print(f"{len(foretelling.told)} of {len(starts)} jobs waited, half of them longer than {middle(waited):,.0f} s")
    print(
        f"foretold with an interval: {len(known)}; "
        + ", ".join(f"{of / len(known):.1%} {to}" for to, of in where.items())
    )
    print(
        f"error: p50 {middle(errors):,.0f} s, p90 {errors[int(len(errors) * 0.9)]:,.0f} s; interval: p50 {middle(widths):,.0f} s"
    )
    times = sorted(foretelling.seconds)
    print(
        f"a forecast: p50 {middle(times) * 1000:.1f} ms, p99 {times[int(len(times) * 0.99)] * 1000:.0f} ms of processor time"
    )


def middle(numbers: list[float]) -> float:
    return statistics.median(numbers) if numbers else 0.0


if __name__ == "__main__":
    main()
