"""`python -m chaos`: jobs on a real platform while its parts are killed; a table of what was proved, and 1 if it broke."""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from chaos import checks, collecting, crowd, report, supervised, supervision
from chaos.books import records, tree
from chaos.disks import mounts_allowed
from chaos.drills import Drills
from chaos.fault_kinds import NEED_OWN_DISKS
from chaos.fault_plan import plan_faults
from chaos.history import History
from chaos.stack import Shape, Stack, running
from chaos.storm import Storm, StormResult
from chaos.workload import plan_jobs
from local_stack.rest import Rest

IN_OWN_MOUNTS = "CHAOS_IN_OWN_MOUNTS"
PATIENCE_SECONDS = 180.0
JOBS_A_SECOND = 5.0


def main() -> int:
    options = read_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # the platform is taken away on the way out
    if IN_OWN_MOUNTS not in os.environ and mounts_allowed():
        enter_own_mounts()
    folder = Path(tempfile.mkdtemp(prefix="trainyard-chaos-"))
    passed = False
    try:
        data = {name: scenario(folder / name, options) for name, scenario in chosen(options).items()}
        if options.json:
            options.json.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        passed = all(map(report.passed, data.values()))
        return 0 if passed else 1
    finally:
        if options.keep or not passed:
            print(f"everything lies in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def storm(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Jobs and faults; then the recoveries, timed one by one."""
    disks = os.environ.get(IN_OWN_MOUNTS) == "yes"
    shape = Shape(agents=options.agents, lease=options.lease, margin=options.lease / 2, disks=disks, jobs=options.jobs)
    without = () if disks else NEED_OWN_DISKS
    faults = plan_faults(options.seed, options.faults, options.agents, lease=options.lease, without=without)
    plans = plan_jobs(
        options.seed, options.jobs, max([fault.at for fault in faults], default=options.jobs / JOBS_A_SECOND)
    )
    those = tree.members(*shape.most)
    plans = tree.spread(plans, those, options.seed)
    print(f"seed {options.seed}: {len(plans)} jobs, {len(faults)} faults", flush=True)
    with running(folder, shape) as stack:
        rest = Rest(stack.web_port, stack.token)
        outcome = Storm(stack, rest, plans, faults).run(PATIENCE_SECONDS)
        history = _with_books(stack, _history(stack, rest, outcome), those)
        timings = Drills(stack, rest).all() if options.drills else []
    facts = {**_facts(options), "faults": dict(outcome.done), "faults_left_out": dict(outcome.left_out)}
    return shown(report.as_data(history, checks.check(history), timings, outcome.seconds, facts))


def crowded(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """150 jobs at once, three times over."""
    with running(folder, crowd.shape(options.lease)) as stack:
        history, timings, seconds = crowd.run(stack, Rest(stack.web_port, stack.token), options.seed)
    return shown(report.as_data(history, checks.check(history), timings, seconds, _facts(options)))


def supervised_one(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """What starts and watches the parts is killed itself."""
    with supervised.running(folder, options.lease) as stack:
        drill = supervision.Drill(stack, options.seed)
        history = drill.run()
        left = [*drill.outcome.left, *supervision.stop(stack)]
    findings = checks.check(replace(history, strays=[*history.strays, *left]))
    facts = {**_facts(options), "agents": supervised.AGENTS, **supervision.faults(drill.outcome)}
    measures = supervision.measures(drill.outcome, stack.first_start)
    return shown(report.as_data(history, findings, measures, drill.outcome.seconds, facts))


SCENARIOS: dict[str, Callable[[Path, argparse.Namespace], dict[str, Any]]] = {
    "storm": storm,
    "crowd": crowded,
    "supervisor": supervised_one,
}


def chosen(options: argparse.Namespace) -> dict[str, Callable[[Path, argparse.Namespace], dict[str, Any]]]:
    return {name: SCENARIOS[name] for name in (options.scenario or SCENARIOS)}


def shown(data: dict[str, Any]) -> dict[str, Any]:
    report.show(data)
    return data


def _facts(options: argparse.Namespace) -> dict[str, Any]:
    return {"seed": options.seed, "agents": options.agents, "lease": options.lease}


def _history(stack: Stack, rest: Rest, outcome: StormResult) -> History:
    user = outcome.user
    return collecting.collect(stack, rest, user.accepted(), breached=list(outcome.breaches), refused=user.refused)


def _with_books(stack: Stack, history: History, members: Sequence[tree.Member]) -> History:
    """Of the jobs alone: what comes with the timed recoveries has no quota, and is not looked at."""
    hard = tree.hard_amount(stack.shape.jobs)
    with stack.database() as database:
        return replace(history, books=records.read(database, stack.audits(), members, stack.shape.most, hard))


def enter_own_mounts() -> None:
    """Become a process whose mounts nobody else sees, and which go with it."""
    os.environ[IN_OWN_MOUNTS] = "yes"
    command = ["unshare", "--mount", "--propagation", "private", sys.executable, "-m", "chaos", *sys.argv[1:]]
    os.execvp(command[0], command)  # noqa: S606  the same program again


def read_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--scenario", action="append", choices=SCENARIOS, help="may be repeated (default: all)")
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--faults", type=int, default=110)
    parser.add_argument("--agents", type=int, default=4)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="repeats a run (default: a new one)")
    parser.add_argument("--lease", type=float, default=4.0, help="seconds; more on a machine that is busy")
    parser.add_argument("--no-drills", dest="drills", action="store_false", help="leave out the timed recoveries")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results there")
    parser.add_argument(
        "--keep",
        action="store_true",
        help="leave the folder with logs and diaries, also after a run in which nothing broke",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
