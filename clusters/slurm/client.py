"""What a Slurm can be asked, whichever way it is reached: by `rest.py` or by `commands.py`."""

from collections.abc import Collection, Sequence
from typing import Protocol

from clusters.slurm.batch_job import BatchJob
from clusters.slurm.records import AccountedJob, SlurmJob, SlurmNode, SlurmPartition

KILL = "KILL"


class SlurmClient(Protocol):
    """Raises UnreachableError where no sense came back, SlurmRefusedError where the controller said no.

    Threads may share one.
    """

    def submit(self, asked: BatchJob) -> int:
        """The number of the job. After UnreachableError it may be there or not."""

    def jobs(self) -> Sequence[SlurmJob]:
        """All jobs that the controller still knows, everybody's; the same object again while nothing has changed."""

    def accounted(self, names: Collection[str]) -> Sequence[AccountedJob]:
        """What slurmdbd has of jobs of these names, in few requests."""

    def nodes(self) -> Sequence[SlurmNode]: ...

    def partitions(self) -> Sequence[SlurmPartition]: ...

    def cancel(self, job_id: int, signal: str = KILL) -> None:
        """KILL takes a pending one out of the queue too. One that is over, or unknown: nothing."""

    def close(self) -> None: ...
