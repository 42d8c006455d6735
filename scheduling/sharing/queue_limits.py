"""What a queue takes: for how long, how large, how urgent, and of whom."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from scheduling.errors import FieldError
from scheduling.reasons import listed, quantity
from scheduling.resources import Request
from scheduling.sharing.admission import REST_FIELDS, beyond_quota
from scheduling.sharing.associations import in_queue
from scheduling.snapshot import Limits

SIZES = ("gpus", "cpus", "memory_mb", "nodes")


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """Limits of one queue; None, or a role that is not there, is no limit. `most` is what one job may have on all its nodes.

    `projects` and all below them may use the queue; if none is named, all may.
    """

    name: str
    max_runtime_seconds: int | None = None
    default_runtime_seconds: int | None = None
    most: Mapping[str, int] = field(default_factory=dict)
    highest: Mapping[str, int] = field(default_factory=dict)  # the priority that a role may use
    projects: frozenset[str] = frozenset()
    each_user: Limits | None = None  # what one user's jobs may hold at once

    @property
    def runtime_seconds(self) -> int | None:
        """The limit of a job that names none."""
        return self.default_runtime_seconds or self.max_runtime_seconds

    def refuses_project(self, chain: Collection[str]) -> Iterator[FieldError]:
        """`chain`: the project and all above it."""
        if self.projects and not self.projects.intersection(chain):
            some = listed(sorted(self.projects))
            yield FieldError("queue", f"Queue {self.name} is for {some} and the projects below.", "project")

    def refuses_priority(self, priority: int, role: str) -> Iterator[FieldError]:
        highest = self.highest.get(role)
        if highest is not None and priority > highest:
            sentence = f"In queue {self.name} a project's {role} may use priorities up to {highest}."
            yield FieldError("priority", sentence, "queue_limit")

    def refuses_runtime(self, seconds: int | None) -> Iterator[FieldError]:
        most = self.max_runtime_seconds
        if most is not None and (seconds is None or seconds > most):
            yield FieldError("max_runtime_seconds", f"Queue {self.name} allows at most {most} s.", "queue_limit")

    def refuses_size(self, request: Request) -> Iterator[FieldError]:
        for name, most in self.most.items():
            asked = request.nodes if name == "nodes" else getattr(request.total, name)
            if asked > most:
                allowed = f"{most} {'node' if most == 1 else 'nodes'}" if name == "nodes" else quantity(name, most)
                where = "resources.nodes" if name == "nodes" else REST_FIELDS[name]
                yield FieldError(where, f"Queue {self.name} allows a job at most {allowed} in all.", "queue_limit")
        if self.each_user is not None:
            yield from beyond_quota(request, [in_queue(self.name, self.each_user, "")])
