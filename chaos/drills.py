"""Recoveries, timed one by one on a platform where all is well: one part is killed, and the clock stops when work goes on.

Times come from the jobs' own diaries: from the kill to the first sign of life of the next run.
"""

import signal
import time
from collections.abc import Callable
from contextlib import suppress

import psycopg

from chaos import diaries
from chaos.diaries import DiaryRun
from chaos.fault_kinds import FaultKind
from chaos.fault_plan import Fault
from chaos.injections import inject
from chaos.network import LinkState
from chaos.processes import RESTART_SECONDS
from chaos.report import Timing
from chaos.stack import Machine, Stack
from chaos.workload import Kind, PlannedJob
from local_stack.rest import Rest

REPEATS = 3
WAIT_SECONDS = 90.0
LONG_SECONDS = 600.0
SLACK_SECONDS = 5.0
NEXT_DISPATCH_BAR = 10.0
WIPED_BAR = 30.0
UPGRADED_JOBS = 20
UPGRADE_RUN_SECONDS = 25.0
MODEL = "for-the-upgrade"
WHERE = """
    SELECT node.name FROM jobs_placement AS placement
    JOIN jobs_attempt AS attempt ON attempt.id = placement.attempt_id
    JOIN workers_node AS node ON node.id = placement.node_id
    WHERE attempt.job_id = %s AND placement.closed_at IS NULL
"""


class Drills:
    """What is killed is killed here; everything is well before and after each drill."""

    def __init__(self, stack: Stack, rest: Rest) -> None:
        self._stack = stack
        self._rest = rest
        self._number = 0

    def all(self) -> list[Timing]:
        """Every drill, the worst time of its repeats."""
        shape = self._stack.shape
        elsewhere = shape.lease + shape.margin + SLACK_SECONDS
        return [
            self._worst("agent killed: runs elsewhere", elsewhere, self.agent_killed),
            self._worst("agent cut off: runs elsewhere", elsewhere, self.agent_cut_off),
            self._worst("planner killed: next dispatch", NEXT_DISPATCH_BAR, self.planner_killed),
            self._worst("beat killed: next dispatch", NEXT_DISPATCH_BAR, self.beat_killed),
            self._worst("broker wiped: next dispatch", WIPED_BAR, self.broker_wiped),
            self.upgrade(),
        ]

    def agent_killed(self) -> float:
        """Seconds until a job whose agent was killed, and stays away, shows signs of life on another node."""
        job_id, machine = self._job_that_runs()
        killed_at = time.monotonic()
        machine.agent.kill(None)
        began = self._run_of(job_id, attempt=2).began
        machine.agent.start()
        self._clear(job_id)
        return began - killed_at

    def agent_cut_off(self) -> float:
        """The same for a node that reaches neither database nor broker."""
        job_id, machine = self._job_that_runs()
        cut_at = time.monotonic()
        for line in machine.lines:
            line.set(LinkState.CUT)
        began = self._run_of(job_id, attempt=2).began
        for line in machine.lines:
            line.set(LinkState.OPEN)
        self._clear(job_id)
        return began - cut_at

    def planner_killed(self) -> float:
        """Seconds until a job that comes right after the kill runs; the planner is started as its supervisor does."""
        killed_at = time.monotonic()
        self._stack.parts["control"].kill(RESTART_SECONDS)
        return self._run_of(self._submit(0.1)).began - killed_at

    def beat_killed(self) -> float:
        """The same for beat. The planner is stopped, and the broker emptied, while the job comes: only beat asks for a cycle."""
        control = self._stack.parts["control"]
        killed_at = time.monotonic()
        self._stack.parts["beat"].kill(RESTART_SECONDS)
        control.signal(signal.SIGSTOP)
        job_id = self._submit(0.1)
        self._stack.empty_broker()
        control.signal(signal.SIGCONT)
        return self._run_of(job_id).began - killed_at

    def broker_wiped(self) -> float:
        """The same for a broker that comes back without its data."""
        wiped_at = time.monotonic()
        inject(self._stack, Fault(0, 0.0, FaultKind.BROKER_WIPED, RESTART_SECONDS))
        return self._run_of(self._submit(0.1)).began - wiped_at

    def upgrade(self) -> Timing:
        """How many jobs of a node go on, in the attempt in which they were, while its agent is replaced.

        With the lease of production: a shortened one may be over before the next agent has started.
        """
        options = {"cpus": UPGRADED_JOBS, "gpus": UPGRADED_JOBS, "gpu-model": MODEL, "memory-gb": 64}
        machine = self._stack.start_machine(
            "upgraded", options, TRAINYARD_LEASE_SECONDS="30", TRAINYARD_HEARTBEAT_SECONDS="10"
        )
        self._stack.wait_until_all_up()
        jobs = [self._submit(UPGRADE_RUN_SECONDS, gpus=1, gpu_model=MODEL) for _ in range(UPGRADED_JOBS)]
        for job_id in jobs:
            self._run_of(job_id)
        machine.agent.end(signal.SIGQUIT, 0)
        survivors = sum(self._survived(job_id) for job_id in jobs)
        return Timing("agent upgraded under 20 jobs: survivors", survivors, UPGRADED_JOBS, "jobs", at_least=True)

    def _worst(self, name: str, bar: float, drill: Callable[[], float]) -> Timing:
        seconds = []
        for _ in range(REPEATS):
            seconds.append(drill())
            self._stack.wait_until_all_up()
        print(f"{name}: {', '.join(f'{one:.1f}' for one in seconds)} s", flush=True)
        return Timing(name, max(seconds), bar)

    def _submit(self, seconds: float, **resources: object) -> int:
        self._number += 1
        plan = PlannedJob(f"drill-{self._number}", 0.0, Kind.STEADY, seconds, priority="urgent")
        request = plan.request(self._stack.diaries)
        body = {**request, "project": "free", "resources": {**request["resources"], **resources}}
        return int(self._rest.post("/jobs", body).body["id"])

    def _job_that_runs(self) -> tuple[int, Machine]:
        job_id = self._submit(LONG_SECONDS)
        self._run_of(job_id)
        with self._stack.database() as database:
            name = database.execute(WHERE, [job_id]).fetchall()[0][0]
        return job_id, next(machine for machine in self._stack.machines if machine.name == name)

    def _run_of(self, job_id: int, attempt: int | None = None) -> DiaryRun:
        """The first run of this attempt, once there is one; without a number, of any."""
        found: list[DiaryRun] = []

        def there() -> bool:
            found[:] = self._runs(job_id, attempt)
            return bool(found)

        self._stack.wait_for(there, f"job {job_id} to run", WAIT_SECONDS)
        return found[0]

    def _runs(self, job_id: int, attempt: int | None = None) -> list[DiaryRun]:
        wanted = "*" if attempt is None else str(attempt)
        return diaries.read_some(self._stack.diaries.glob(f"{job_id}.{wanted}.*"))

    def _survived(self, job_id: int) -> bool:
        """Whether its one and only run came to its end."""
        with suppress(TimeoutError):
            self._stack.wait_for(lambda: self._ended(job_id), f"job {job_id} to end", WAIT_SECONDS)
        return [run.code for run in self._runs(job_id)] == [0] and self._ended(job_id)

    def _ended(self, job_id: int) -> bool:
        with suppress(psycopg.Error), self._stack.database() as database:
            rows = database.execute("SELECT state FROM jobs_job WHERE id = %s", [job_id]).fetchall()
            return rows[0][0] == "completed"
        return False

    def _clear(self, *job_ids: int) -> None:
        for job_id in job_ids:
            self._rest.post(f"/jobs/{job_id}/cancel")
