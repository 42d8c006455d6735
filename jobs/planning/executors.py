"""Who runs each job, and what it asks for, as the planner is asked: from rows of jobs and their queues."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from scheduling.executors import AGENT, as_asked, executor_of
from scheduling.resources import Request, ordered_labels

RequestOf = Callable[[tuple[Any, ...]], Request]


@dataclass(frozen=True, slots=True)
class Executors:
    """What queues say of jobs that say nothing, and whether there are others than agents."""

    of_queues: dict[int, str] = field(default_factory=dict)
    with_clusters: bool = False

    def of(self, own: str, queue: int) -> str:
        """Who may run it; where there are no clusters, agents are anybody."""
        executor = executor_of(own, self.of_queues.get(queue, ""))
        return "" if executor == AGENT and not self.with_clusters else as_asked(executor)


AGENTS_ALONE = Executors()


class Requests:
    """One object for each request, however many jobs ask for it."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], Request] = {}

    def __len__(self) -> int:
        return len(self._known)

    def of(self, columns: tuple[Any, ...]) -> Request:
        found = self._known.get(columns)
        if found is None:
            cpus, memory_mb, gpus, gpu_memory_mb, gpu_model, nodes, labels, executor = columns
            request = Request(
                cpus, memory_mb, gpus, gpu_memory_mb, gpu_model, nodes, ordered_labels(json.loads(labels)),
                executor=executor,
            )  # fmt: skip
            found = self._known[columns] = request
        return found
