"""Attempts as batch jobs of a Slurm: started once, observed together, stopped gently, and read from the shared folder.

Slurm's names are not unique and an answer may be lost, so "once" is made here: a workload's folder is made before its job
is submitted, whoever finds it there looks for the job before submitting another, and of two jobs that got through in spite
of that only the one whose script makes the file `owner` runs; the other is cancelled.
"""

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from clusters.slurm.batch_job import BatchJob
from clusters.slurm.client import SlurmClient
from clusters.slurm.commands import CommandClient
from clusters.slurm.errors import SlurmRefusedError, UnreachableError
from clusters.slurm.records import SlurmJob, SlurmNode, SlurmPartition
from clusters.slurm.rest import RestClient
from executors.engine import ClusterNode, Observed, OutOfReachError, Output, Phase, RefusedError, Workload
from executors.slurm import observing, submission
from executors.slurm.cluster_nodes import Asked, cluster_nodes, gpu_type
from executors.slurm.known import Known
from executors.slurm.options import Options, read_options
from executors.slurm.shared_folder import SharedFolder

log = logging.getLogger(__name__)
ASKS_AT_ONCE = 8
CLUSTER_SECONDS = 60.0
"""So long what a partition allows and nodes have is taken as known."""
SOON_SECONDS, LOOK_SECONDS = 0.05, 0.1
BUSY_SHARE = 0.5
"""Of the time, at most, that Slurm is asked how things are when something happens all the time."""


def connect(cluster: str, options: Mapping[str, str]) -> "SlurmEngine":
    """See `executors.engine.Connect`."""
    given = read_options(cluster, options)
    client: SlurmClient = CommandClient()
    if given.url:
        client = RestClient(given.url, token=given.token(), user=given.user)
    return SlurmEngine(client, given)


class SlurmEngine:
    """See `executors.engine.Engine`."""

    kind = "slurm"
    asks_at_once = ASKS_AT_ONCE

    def __init__(self, client: SlurmClient, options: Options) -> None:
        self._client, self._options = client, options
        self._shared = SharedFolder(options.shared)
        self._known = Known(self._shared, client)
        self._cluster: tuple[SlurmPartition, Sequence[SlurmNode]] | None = None
        self._cluster_until = 0.0
        self._observing_takes = 0.0
        self._closed = threading.Event()
        self._prepared = False

    def nodes(self) -> Sequence[ClusterNode]:
        self._prepare()
        try:
            (partition, nodes), jobs = self._read_cluster(), self._client.jobs()
            self._end_revived(jobs)
        except (UnreachableError, SlurmRefusedError) as error:
            raise OutOfReachError(str(error)) from None
        return cluster_nodes(nodes, partition, self._held(jobs))

    def start(self, workload: Workload) -> None:
        self._prepare()
        folder = self._shared.workload(workload.name)
        try:
            partition, nodes = self._cluster_lately()
            if not folder.make() and self._is_there(workload.name):
                return
            script = submission.write_files(workload, self._shared, self._options)
            asked = submission.batch_job(workload, script, folder, self._options, partition.max_minutes)
            asked = replace(asked, gpu_type=gpu_type(workload, nodes))
            folder.write("submitted", str(self._submit(workload.name, asked)))
        except SlurmRefusedError as error:
            self._shared.remove(workload.name)
            raise RefusedError(f"Slurm refused it: {error}") from None
        except RefusedError:
            self._shared.remove(workload.name)
            raise
        except OSError as error:
            raise OutOfReachError(f"The shared folder cannot be written: {error}.") from None
        except UnreachableError as error:
            raise OutOfReachError(str(error)) from None

    def observe(self) -> Mapping[str, Observed]:
        self._prepare()
        began = time.monotonic()
        names = self._shared.names()  # before the jobs: one that is submitted in between has no folder here yet
        if not names:
            return {}
        try:
            found = self._known.observe(names, self._client.jobs())
        except (UnreachableError, SlurmRefusedError) as error:
            raise OutOfReachError(str(error)) from None
        for sign in list(self._shared.fresh_signs()):
            seen = found.get(sign.removesuffix(".ended"))
            if (
                seen is None
                or seen.phase == Phase.ENDED
                or (seen.phase == Phase.RUNNING and not sign.endswith(".ended"))
            ):
                self._shared.drop_sign(sign)
        self._observing_takes = time.monotonic() - began
        return found

    def wait(self, seconds: float) -> None:
        """A sign in the shared folder ends it; where the file server tells of those late, Slurm is asked often enough."""
        until = time.monotonic() + min(seconds, self._options.poll_seconds)
        busy = self._observing_takes * (1 / BUSY_SHARE - 1)
        self._closed.wait(min(seconds, max(SOON_SECONDS, busy)))
        while not self._closed.is_set() and time.monotonic() < until:
            if next(self._shared.fresh_signs(), None) is not None:
                return
            self._closed.wait(LOOK_SECONDS)

    def stop(self, name: str, grace_seconds: float) -> None:
        try:
            self._known.stop(name, grace_seconds)
        except OSError as error:
            raise OutOfReachError(f"The shared folder cannot be written: {error}.") from None
        except (UnreachableError, SlurmRefusedError) as error:
            raise OutOfReachError(str(error)) from None

    def forget(self, name: str) -> None:
        try:
            self._known.forget(name)
        except (UnreachableError, SlurmRefusedError) as error:
            raise OutOfReachError(str(error)) from None
        self._shared.remove(name)

    def read_log(self, name: str, rank: int, position: int) -> Output:
        return self._shared.workload(name).read(f"log.{rank}", position)

    def read_reports(self, name: str, position: int) -> Output:
        return self._shared.workload(name).read("report.jsonl", position)

    def unsupported(self) -> Mapping[str, str]:
        return {"image": "Jobs on Slurm run in the environment of its nodes: there is no container."}

    def close(self) -> None:
        self._closed.set()
        self._client.close()

    def _prepare(self) -> None:
        if not self._prepared:
            self._shared.prepare()
            self._prepared = True

    def _submit(self, name: str, asked: BatchJob) -> int:
        try:
            return self._client.submit(asked)
        except UnreachableError as error:
            # The answer may have been lost, not the job.
            found = self._jobs_of(name)
            if not found:
                raise
            log.info("Slurm took %s as job %d, and its answer was lost: %s", name, found[0].job_id, error)
            return found[0].job_id

    def _is_there(self, name: str) -> bool:
        """Whether an earlier start of it came through, or may have: its script has begun, or Slurm knows a job."""
        folder = self._shared.workload(name)
        if folder.submitted() is not None or folder.has_begun():
            return True
        found = self._jobs_of(name)
        if found:
            folder.write("submitted", str(found[0].job_id))
        return bool(found)

    def _jobs_of(self, name: str) -> list[SlurmJob]:
        return sorted((job for job in self._client.jobs() if job.name == name), key=lambda job: job.job_id)

    def _end_revived(self, jobs: Sequence[SlurmJob]) -> None:
        """A controller that lost its last seconds lets wait, or run, what is over and forgotten here."""
        for job in jobs:
            folder = self._shared.workload(job.name)
            if job.output == str(folder.output) and observing.may_end(job) and not folder.path.exists():
                log.warning("Slurm brought job %d back, which is over (%s): it is cancelled.", job.job_id, job.name)
                with suppress(SlurmRefusedError):
                    self._client.cancel(job.job_id)

    def _held(self, jobs: Sequence[SlurmJob]) -> dict[str, list[Asked]]:
        """What this bridge's jobs have on each node: all that has begun, and has not been cleaned up."""
        names, held = self._shared.names(), dict[str, list[Asked]]()
        for job in jobs:
            if job.name in names and job.state != "PENDING" and not job.has_ended:
                for node, asked in zip(job.nodes, self._known.asked(job.name), strict=False):
                    held.setdefault(node, []).append(asked)
        return held

    def _cluster_lately(self) -> tuple[SlurmPartition, Sequence[SlurmNode]]:
        if self._cluster is None or time.monotonic() > self._cluster_until:
            return self._read_cluster()
        return self._cluster

    def _read_cluster(self) -> tuple[SlurmPartition, Sequence[SlurmNode]]:
        name = self._options.partition
        partition = next((one for one in self._client.partitions() if one.name == name), None)
        if partition is None:
            raise UnreachableError(f"This Slurm has no partition {name}: is the option `partition` right?")
        self._cluster = found = partition, self._client.nodes()
        self._cluster_until = time.monotonic() + CLUSTER_SECONDS
        return found
