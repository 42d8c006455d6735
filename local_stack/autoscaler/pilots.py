"""Pilots as an actuator: node agents in batch jobs of a Slurm, each job named as its node.

What the controller says is there is there: it answers with what it has written down, so nothing is remembered here. It takes two
jobs of one name, and an answer may be lost; so jobs are looked for before one is submitted, and of two that got through
all the same the younger one is cancelled. Until then it harms nobody: an agent is refused while another one speaks for its node.
"""

import math
import re
import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from clusters.slurm.batch_job import BatchJob
from clusters.slurm.client import SlurmClient
from clusters.slurm.errors import SlurmError
from clusters.slurm.records import SlurmJob
from local_stack.autoscaler.actuator import ActuatorError
from workers.models import NodePool
from workers.pilot_settings import read_pilot_settings

T = TypeVar("T")


class Slurm(NamedTuple):
    """Where pilots go. `folder` has their scripts, and gets what they print: nodes see it by the same path."""

    client: SlurmClient
    folder: Path


COMMENT = "trainyard pilot"
"""Of each pilot's job: others may have jobs of the same name."""
FAILED_SECONDS = 60.0
"""So long after one has failed none is submitted: a script that is wrong would be tried every few seconds."""
HEAD = """\
#!/bin/bash
export TRAINYARD_PILOT={node} TRAINYARD_PILOT_POOL={pool}
export TRAINYARD_NODE_UNTIL="${{SLURM_JOB_END_TIME:-$(($(date +%s) + {seconds}))}}"
"""


class SlurmPilots:
    """Of one pool, as its row says now."""

    def __init__(self, client: SlurmClient, folder: Path, pool: NodePool) -> None:
        """Raises InvalidError."""
        self._client = client
        self._folder = folder
        self._pool = pool
        self._settings = read_pilot_settings(pool.actuator_settings)

    def members(self) -> Mapping[str, bool]:
        """Those that are being ended by Slurm are going: nothing more can come of them."""
        found: dict[str, bool] = {}
        for name, jobs in self._jobs().items():
            first, *others = sorted(jobs, key=lambda job: (job.state == "PENDING", job.job_id))
            self._each(self._cancel, others)
            found[name] = "COMPLETING" in first.flags
        return found

    def up(self, names: Sequence[str]) -> None:
        """Not while one that has just failed would only fail again."""
        script = self._script()
        self._refuse_failing()
        self._each(lambda name: self._client.submit(self._asked(name, script)), names)

    def down(self, names: Sequence[str]) -> None:
        jobs = self._jobs()
        self._each(self._cancel, [job for name in names for job in jobs.get(name, ())])

    def withdraw(self, most: int) -> Sequence[str]:
        """The youngest that still wait in Slurm's queue: they would start for nobody, perhaps days from now."""
        waits = [job for jobs in self._jobs().values() for job in jobs if job.state == "PENDING"]
        youngest = sorted(waits, key=lambda job: -job.job_id)[:most]
        self._each(self._cancel, youngest)
        return [job.name for job in youngest]

    def _jobs(self) -> Mapping[str, list[SlurmJob]]:
        found: dict[str, list[SlurmJob]] = {}
        for job in self._all():
            if not job.has_ended:
                found.setdefault(job.name, []).append(job)
        return found

    def _all(self) -> Iterator[SlurmJob]:
        """The pool's, those included that ended a short while ago."""
        mine = re.compile(rf"{re.escape(self._pool.name)}-[1-9]\d*")
        jobs = self._ask(self._client.jobs)
        return (job for job in jobs if job.comment == COMMENT and mine.fullmatch(job.name))

    def _refuse_failing(self) -> None:
        since = time.time() - FAILED_SECONDS
        failed = (job for job in self._all() if job.state == "FAILED" and (job.end or 0.0) > since)
        last = max(failed, key=lambda job: (job.end or 0.0, job.job_id), default=None)
        if last is not None:
            log = self._folder / f"{last.name}-{last.job_id}.log"
            raise ActuatorError(
                f"Pilot {last.name} (job {last.job_id} of Slurm) ended with exit code {last.exit_code}: {log} says why."
            )

    def _cancel(self, job: SlurmJob) -> None:
        self._client.cancel(job.job_id)

    def _script(self) -> str:
        path = self._folder / self._settings.script
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise ActuatorError(f"The pilots' script {path} cannot be read: {error}.") from None

    def _asked(self, name: str, script: str) -> BatchJob:
        pool, its = self._pool, self._settings
        seconds = pool.lifetime_seconds or 0
        head = HEAD.format(node=shlex.quote(name), pool=shlex.quote(pool.name), seconds=seconds)
        return BatchJob(
            name=name,
            script=head + script,
            output=str(self._folder / f"{name}-%j.log"),
            directory=str(self._folder),
            cpus=pool.cpus,
            memory_mb=pool.memory_mb,
            gpus=pool.gpus,
            gpu_type=its.gpu_type,
            minutes=math.ceil(seconds / 60),
            partition=its.partition,
            account=its.account,
            qos=its.qos,
            reservation=its.reservation,
            comment=COMMENT,
            # By the REST API a job has no environment but what it is given.
            environment={"PATH": "/usr/local/bin:/usr/bin:/bin"},
        )

    def _each(self, act: Callable[[T], object], those: Iterable[T]) -> None:
        """One that fails keeps no other from coming or going."""
        failed: list[ActuatorError] = []
        for one in those:
            try:
                self._ask(lambda: act(one))  # noqa: B023  called at once
            except ActuatorError as error:
                failed.append(error)
        if failed:
            raise failed[0]

    def _ask(self, question: Callable[[], T]) -> T:
        try:
            return question()
        except SlurmError as error:
            raise ActuatorError(str(error)) from None
