"""`python -m fuzz --minutes 5`: random worlds played forward for simulated days; each finding with its seed, and 1 if there is one."""

import argparse
import secrets
import sys
import time
from collections.abc import Iterator

from fuzz.findings import CHECKED, Finding
from fuzz.play import Play
from fuzz.scenario import Scenario
from fuzz.shrinking import shrunk
from fuzz.worlds import draw


def main() -> int:
    options = read_options()
    until = time.monotonic() + 60 * options.minutes
    worlds, days, plans, findings = 0, 0.0, 0, 0
    for seed in _seeds(options):
        if options.seed is None and (time.monotonic() > until or findings >= options.most):
            break
        scenario = draw(seed)
        scenario = scenario.with_jobs(options.jobs) if options.jobs else scenario
        try:
            plans += Play(scenario).run().plans
        except Finding as found:
            findings += 1
            tell(scenario, found, shrink=options.shrink)
        worlds, days = worlds + 1, days + scenario.days
    looked = ", ".join(f"{check} {number}" for check, number in sorted(CHECKED.items()))
    print(f"checked: {looked}")
    print(f"{worlds} worlds, {days:g} simulated days, {plans} plans, {findings} findings")
    return 1 if findings else 0


def _seeds(options: argparse.Namespace) -> Iterator[int]:
    if options.seed is not None:
        yield from range(options.seed, options.seed + options.worlds)
        return
    while True:
        yield secrets.randbelow(2**32)


def tell(scenario: Scenario, found: Finding, *, shrink: bool) -> None:
    command = f"python -m fuzz --seed {scenario.seed}"
    print(f"{found}\n  at {found.moment:.1f} s of {scenario.days:g} days: {command}", flush=True)
    if shrink:
        smaller, again = shrunk(scenario, found)
        ids = ",".join(str(one.job.id) for one in smaller.arrivals)
        print(f"  with {len(smaller.arrivals)} jobs: {command} --jobs {ids}\n    {again}", flush=True)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="how long to draw new worlds (1)")
    parser.add_argument("--seed", type=int, help="play the world of this seed instead")
    parser.add_argument("--worlds", type=int, default=1, help="how many seeds from --seed on (1)")
    parser.add_argument("--jobs", type=_ids, help="play it with these jobs only, as a finding names them: 3,17,20")
    parser.add_argument("--most", type=int, default=10, help="end after so many findings (10)")
    parser.add_argument("--no-shrink", dest="shrink", action="store_false", help="do not look for a smaller world")
    return parser.parse_args()


def _ids(text: str) -> frozenset[int]:
    return frozenset(int(one) for one in text.split(","))


if __name__ == "__main__":
    sys.exit(main())
