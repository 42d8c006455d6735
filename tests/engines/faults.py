"""`python -m tests.engines.faults kubernetes`: parts of a cluster and of the platform are killed at random moments, again and again.

A real platform, a real Kubernetes or Slurm, a real bridge. Each turn submits a few short jobs, kills one part while they are
taken in, started, run or end, starts it again, waits for all of them to end and looks whether anything is wrong: a job that
does not end (lost), an attempt that ran twice or attempts that overlap (doubled), something of an ended job that is left in
the cluster (orphans). Exit code 1 if there is any. What each run did it wrote down itself, past platform and cluster.
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_stack.demo.private_stack import private_stack
from local_stack.rest import NoAnswerError
from local_stack.servers.home import Home
from local_stack.servers.roles import CHECKOUT
from scheduling.lifecycle import TERMINAL_STATES
from tests.clusters.slurm import slurm_cluster
from tests.deploy import api_server
from tests.engines import clusters, sweep
from tests.engines.clusters import Joined, Platform
from tests.engines.prerequisites import RELEASE

JOBS, LONGEST_SECONDS = 4, 2.0
WITHIN_SECONDS, AWAY_SECONDS = 4.0, 2.0
"""After the submission a part is killed within so long, and is away for so long at most."""
PATIENCE_SECONDS, CLEAN_SECONDS = 240.0, 60.0
QUICK = {
    "TRAINYARD_HEARTBEAT_SECONDS": "1",
    "TRAINYARD_LEASE_SECONDS": "6",
    "TRAINYARD_LEASE_MARGIN_SECONDS": "1",
    "TRAINYARD_RECOVERY_SECONDS": "1",
    "TRAINYARD_REPUBLISH_SECONDS": "1",
    "TRAINYARD_CYCLE_SECONDS": "1",
    "TRAINYARD_KILL_GRACE_SECONDS": "2",
    "TRAINYARD_PLATFORM_RETRIES": "1000",
}
OTHERS = ("TRAINYARD_", "DATABASE_", "BROKER_", "SLURM_", "EXECUTOR_SLURM_", "KUBECONFIG")
COMMAND = """
run=DIARIES/$TRAINYARD_JOB_ID.$TRAINYARD_ATTEMPT.$$.$(date +%s%N)
date +%s.%N > $run.began
end=$(( $(date +%s%N) + LENGTH ))
while [ $(date +%s%N) -lt $end ]; do date +%s.%N > $run.alive; sleep 0.1; done
date +%s.%N > $run.over
"""


@dataclass
class Found:
    """What was done, and what is wrong, in a sentence each."""

    killed: Counter[str] = field(default_factory=Counter)
    again: int = 0
    """Attempts after a job's first one: what a cluster lost is tried again."""
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> list[str]:
        return [*self.lost, *self.doubled, *self.orphans]


class Drill:
    """One cluster, and what may be killed of it and around it, by name."""

    def __init__(self, platform: Platform, joined: Joined, kind: str, seed: int) -> None:
        self.platform, self.joined, self.kind = platform, joined, kind
        self.found = Found()
        self.diaries = platform.home.folder / "diaries"
        self.diaries.mkdir(mode=0o777)
        self.diaries.chmod(0o777)
        self._dice = random.Random(seed)  # noqa: S311  nothing is kept secret by it
        self._turns = 0

    def turn(self, part: str) -> None:
        """Submit, kill, start again, wait, look."""
        self._turns += 1
        workload = f"faults-{self._turns}"
        moment = self._dice.uniform(0, WITHIN_SECONDS)
        if moment < 0.5:  # while they are taken in
            self._kill(part)
        self.platform.rest.submit([self._job(workload, number) for number in range(JOBS)], workload)
        if moment >= 0.5:
            time.sleep(moment - 0.5)
            self._kill(part)
        time.sleep(self._dice.uniform(0, AWAY_SECONDS))
        self.joined.parts[part].begin()
        jobs, before = self._ended(workload), len(self.found.wrong)
        self._look(jobs)
        words = (
            f"{part} killed {moment - 0.5:.1f} s after the submission" if moment >= 0.5 else f"{part} killed before it"
        )
        news = [] if len(self.found.wrong) == before else self.found.wrong
        say(f"{self._turns:4} {words}: {dict(Counter(one['state'] for one in jobs))}", *news)

    def _kill(self, part: str) -> None:
        self.joined.parts[part].kill()
        self.found.killed[part] += 1

    def _job(self, workload: str, number: int) -> dict[str, Any]:
        length = str(int(self._dice.uniform(0, LONGEST_SECONDS) * 1e9))
        script = COMMAND.replace("DIARIES", str(self.diaries)).replace("LENGTH", length)
        return {
            "name": f"{workload}-{number}", "project": "default", "executor": self.kind, "command": ["sh", "-c", script],
            "submission_key": f"{workload} {number}",
        }  # fmt: skip

    def _ended(self, workload: str) -> list[dict[str, Any]]:
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        jobs: list[dict[str, Any]] = []
        while time.monotonic() < give_up_at:
            with suppress(NoAnswerError):
                jobs = self.platform.rest.jobs(workload)
                if len(jobs) == JOBS and all(one["state"] in TERMINAL_STATES for one in jobs):
                    break
            time.sleep(0.2)
        return jobs

    def _look(self, jobs: list[dict[str, Any]]) -> None:
        if len(jobs) != JOBS:
            self.found.lost.append(f"{JOBS - len(jobs)} jobs of turn {self._turns} are not known to the platform")
        for job in jobs:
            if job["state"] != "completed":
                why = f"{job['state']}: {job.get('end_reason')} {job.get('message')}"
                self.found.lost.append(f"job {job['id']} of turn {self._turns} is {why}")
            self.found.again += int(job["attempt"]) - 1
            self.found.doubled += [f"turn {self._turns}: {words}" for words in doubled(self.diaries, int(job["id"]))]
        self.found.orphans += [f"turn {self._turns}: {name} is left" for name in self._left()]

    def _left(self) -> list[str]:
        """What the cluster still has of jobs once it had time to forget them."""
        give_up_at = time.monotonic() + CLEAN_SECONDS
        left = self.joined.left()
        while left and time.monotonic() < give_up_at:
            time.sleep(0.5)
            left = self.joined.left()
        return left


def doubled(diaries: Path, job: int) -> list[str]:
    """Attempts that ran more than once, and those that began before an earlier one had shown its last sign of life."""
    runs: dict[int, list[Path]] = defaultdict(list)
    for path in diaries.glob(f"{job}.*.began"):
        runs[int(path.name.split(".")[1])].append(path)
    found = [
        f"attempt {number} of job {job} ran {len(those)} times" for number, those in runs.items() if len(those) > 1
    ]
    last = 0.0
    for number in sorted(runs):
        if any(_moment(path) < last for path in runs[number]):
            found.append(f"attempt {number} of job {job} began before the one before it was over")
        last = max([last, *(_moment(path.with_suffix(sign)) for path in runs[number] for sign in (".alive", ".over"))])
    return found


def _moment(path: Path) -> float:
    with suppress(OSError, ValueError):
        return float(path.read_text())
    return 0.0


def say(*lines: str) -> None:
    sys.stdout.write("\n  ".join(lines) + "\n")
    sys.stdout.flush()


@contextmanager
def platform_in(home: Home) -> Iterator[Platform]:
    """With short leases."""
    os.environ.update(QUICK)
    home.prepare()
    with private_stack(home, home.folder / "platform.log", sweep.AGENTS, autoscale=0) as rest:
        yield Platform(home, rest)


CLUSTERS: Mapping[str, tuple[Callable[[Platform], Any], Callable[[], str]]] = {
    "kubernetes": (clusters.kubernetes_joined, api_server.why_absent),
    "slurm": (clusters.slurm_joined, lambda: slurm_cluster.why_absent(RELEASE)),
}


def main() -> int:
    options = arguments()
    start, why_absent = CLUSTERS[options.kind]
    if absent := why_absent():
        sys.stderr.write(f"{absent}\n")
        return 2
    for name in [name for name in os.environ if name.startswith(OTHERS)]:
        del os.environ[name]  # of another platform or cluster
    trainyard = CHECKOUT / ".trainyard"
    trainyard.mkdir(mode=0o700, exist_ok=True)
    home = Home(Path(tempfile.mkdtemp(prefix="faults-", dir=trainyard)))
    say(f"seed {options.seed}")
    with platform_in(home) as platform, start(platform) as joined:
        drill = Drill(platform, joined, options.kind, options.seed)
        parts = options.part or list(joined.parts)
        for _ in range(options.times):
            for part in parts:
                drill.turn(part)
        found = drill.found
    jobs = JOBS * sum(found.killed.values())
    killed = ", ".join(f"{part} {times}" for part, times in found.killed.items())
    say(f"\nkilled: {killed}; {jobs} jobs, {found.again} attempts more than jobs")
    say(f"lost {len(found.lost)}, doubled {len(found.doubled)}, orphans {len(found.orphans)}", *found.wrong)
    if found.wrong:
        say(f"everything lies in {home.folder}")
    else:
        shutil.rmtree(home.folder, ignore_errors=True)
    return int(bool(found.wrong))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.engines.faults", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("kind", choices=CLUSTERS)
    parser.add_argument("--times", type=int, default=20, help="each part is killed so often")
    parser.add_argument("--part", action="append", help="only this one (bridge, database, ...); may be repeated")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(2)), help="repeats lengths and moments")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
