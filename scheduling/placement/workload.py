"""What jobs are usual here: shapes of requests, and how often each comes."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import chain

from scheduling.resources import Request
from scheduling.snapshot import Snapshot

POPULARITY = 0.95
"""The most frequent shapes count until they make up so much of all jobs; the rest is chance."""


@dataclass(frozen=True, slots=True)
class Workload:
    """Shapes, the most frequent first, with how many jobs have each."""

    shapes: tuple[Request, ...]
    counts: tuple[int, ...]

    @property
    def wants_gpus(self) -> bool:
        return any(shape.gpus for shape in self.shapes)


def workload_of(snapshot: Snapshot) -> Workload:
    """The usual shapes among the jobs that wait or run."""
    running = (job.request for job in snapshot.running if job.request is not None)
    return usual(chain((job.request for job in snapshot.waiting), running))


def usual(requests: Iterable[Request]) -> Workload:
    """The most frequent shapes, of equally frequent ones the smaller first: the order of the requests makes no difference."""
    counted = Counter(requests)
    shapes: Counter[Request] = Counter()
    for request, times in counted.items():
        shapes[_member(request)] += times * request.nodes
    enough = POPULARITY * shapes.total()
    kept: list[tuple[Request, int]] = []
    for shape, times in sorted(shapes.items(), key=_frequent_first):
        if sum(count for _, count in kept) >= enough:
            break
        kept.append((shape, times))
    return Workload(tuple(shape for shape, _ in kept), tuple(times for _, times in kept))


def _frequent_first(counted: tuple[Request, int]) -> tuple[object, ...]:
    shape, times = counted
    amount = shape.amount
    return (-times, amount.all_gpu_milli, amount.cpus, amount.memory_mb, shape.gpu_memory_mb, shape.gpu_model)


def _member(request: Request) -> Request:
    """What it asks for on one node. Labels say nothing about size."""
    return replace(request, nodes=1, labels=(), executor="") if request.nodes > 1 or request.is_choosy else request


USUAL = Workload(
    (*(Request(gpus=gpus) for gpus in (1, 2, 4, 8)), Request(gpus=1, gpu_milli=500)),
    (6, 1, 1, 1, 1),
)
"""Where nothing is known: mostly one GPU, now and then a power of two of them or a half."""
