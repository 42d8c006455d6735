"""What somebody wants to run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from jobs.submission.needs import Author, Need
from scheduling.environments import labels_needed
from scheduling.executors import as_asked, executor_of
from scheduling.resources import Request, ordered_labels


@dataclass(frozen=True, slots=True)
class Input:
    """A file or folder of another job's outputs, or with an empty path all of them."""

    job: int
    path: str = ""
    to: str = ""

    @property
    def place(self) -> str:
        """Where it lies below the folder of inputs."""
        return self.to or self.path.rpartition("/")[2] or str(self.job)

    @property
    def row(self) -> dict[str, int | str]:
        """As a job keeps it."""
        return {"job": self.job, "path": self.path, "to": self.place}


@dataclass(frozen=True, slots=True)
class JobSpec:
    """What somebody wants to run, in the words of the REST contract. Memory is in MB, times in seconds."""

    name: str
    project: str
    command: tuple[str, ...]
    queue: str = "default"
    priority: int | str = 50
    working_dir: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    secret_files: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    cpus: int = 1
    memory_mb: int = 0
    gpus: int = 0
    gpu_memory_mb: int = 0
    gpu_model: str = ""
    nodes: int = 1
    node_labels: Mapping[str, str] = field(default_factory=dict)
    max_runtime_seconds: int | None = None
    estimated_runtime_seconds: int | None = None
    stall_seconds: int | None = None
    stall_action: str = "stop"
    begin_at: datetime | None = None
    deadline: datetime | None = None
    checkpointable: bool = False
    preemptible: bool = True
    max_retries: int = 0
    grace_seconds: int | None = None
    depends_on: tuple[int | Need, ...] = ()
    on_dependency_failure: str = "cancel"
    submission_key: str = ""
    reason: str = ""
    workload: str = ""
    snapshot: int | None = None
    inputs: tuple[Input, ...] = ()
    executor: str = ""
    image: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    memory_by_default: bool = False  # its owner named none
    executor_by_queue: bool = False  # likewise

    @property
    def request(self) -> Request:
        labels = ordered_labels({**self.node_labels, **self.environment_labels})
        return Request(
            self.cpus, self.memory_mb, self.gpus, self.gpu_memory_mb, self.gpu_model, self.nodes, labels,
            executor=as_asked(executor_of(self.executor, "")),
        )  # fmt: skip

    @property
    def environment_labels(self) -> dict[str, str]:
        """What its environment needs of a node."""
        return labels_needed(self.environment)

    @property
    def author(self) -> Author:
        needs = tuple(one if isinstance(one, Need) else Need(one) for one in self.depends_on)
        return Author(self.project, self.name, self.submission_key, needs)
