"""Whether a waiting job could start at all as things are, and whether its queue or a quota refuses it right now."""

from collections import Counter
from collections.abc import Iterable

from scheduling.allowance import may_run_now, usage_by_project
from scheduling.filters import could_hold, takes_jobs
from scheduling.holds import queue_holds, starts_nothing
from scheduling.resources import Request
from scheduling.snapshot import NodeView, Snapshot, WaitingJob, chain_of


class Prospects:
    """Asked of thousands of jobs: what is alike is looked at once."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._projects = {one.slug: one for one in snapshot.projects}
        self._nodes = _kinds(node for node in snapshot.nodes if takes_jobs(node))
        self._usage = usage_by_project(snapshot.running, self._projects)
        running = Counter(job.queue for job in snapshot.running)
        self._shut = {queue.name for queue in snapshot.queues if starts_nothing(queue)}
        self._full = {queue.name for queue in snapshot.queues if queue_holds(queue, running[queue.name])}
        self._held: dict[Request, bool] = {}
        self._alone: dict[tuple[str, Request], bool] = {}
        self._now: dict[tuple[str, Request], bool] = {}

    def ever(self, job: WaitingJob) -> bool:
        """Whether it could start on the empty platform, once what it depends on has ended."""
        return not (job.broken or job.held or job.queue in self._shut) and self._fits(job) and self._is_allowed(job)

    def refused_now(self, job: WaitingJob) -> bool:
        """Whether others of its queue, or of a project whose quota counts for it, have to end first."""
        key = (job.project, job.request)
        if key not in self._now:
            chain = chain_of(job.project, self._projects)
            self._now[key] = bool(may_run_now(job.request, chain=chain, usage=self._usage))
        return self._now[key] or job.queue in self._full

    def _fits(self, job: WaitingJob) -> bool:
        asks = job.request
        if asks not in self._held:
            left = asks.nodes
            for node, number in self._nodes:
                left -= number if could_hold(asks, node) else 0
                if left <= 0:
                    break
            self._held[asks] = left <= 0
        return self._held[asks]

    def _is_allowed(self, job: WaitingJob) -> bool:
        """Whether each quota has room for it alone."""
        key = (job.project, job.request)
        if key not in self._alone:
            chain = chain_of(job.project, self._projects)
            self._alone[key] = not may_run_now(job.request, chain=chain, usage={})
        return self._alone[key]


def _kinds(nodes: Iterable[NodeView]) -> list[tuple[NodeView, int]]:
    """One of each kind of machine, and how many there are."""
    found: dict[object, tuple[NodeView, int]] = {}
    for node in nodes:
        key = (node.cpus, node.memory_mb, node.gpus, *sorted(node.labels.items()))
        found[key] = (node, found[key][1] + 1 if key in found else 1)
    return list(found.values())
