"""Rows for tests: plain functions, every keyword has a default. They write rows as they are told and call no use case.

A keyword that is named like its builder (`project=` of `job`) hides it, so those builders go by `new_...` in here.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import count
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from jobs.models import Attempt, GpuHold, Job, JobDependency, JobEvent, Placement, Queue, Workload
from jobs.models.logs import LogChunk
from quotas.models import Membership, Project, Quota
from scheduling.lifecycle import TERMINAL_STATES, JobState, PlacementState
from workers.models import Node

numbers = count(1)


def user(*, username: str = "", password: str | None = None, staff: bool = False, **fields: Any) -> User:
    """A user; staff may do everything the platform offers. Without a password there is nothing slow to hash."""
    made = User(username=username or f"user{next(numbers)}", is_staff=staff, **fields)
    if password is None:
        made.set_unusable_password()
    else:
        made.set_password(password)
    made.save()
    return made


new_user = user


def member(*, project: Project, user: User | None = None, role: str = "member") -> User:
    """The user (a new one by default) with this role in the project."""
    owner = user or new_user()
    Membership.objects.create(project=project, user=owner, role=role)
    return owner


def project(
    *,
    slug: str = "",
    parent: Project | None = None,
    members: Sequence[User] = (),
    role: str = "member",
    quota: dict[str, Any] | None = None,
    **fields: Any,
) -> Project:
    """A project whose `members` all have the same role; with `quota`, limits as keywords of Quota."""
    made = Project.objects.create(slug=slug or f"project{next(numbers)}", parent=parent, **fields)
    Membership.objects.bulk_create(Membership(project=made, user=one, role=role) for one in members)
    if quota is not None:
        Quota.objects.create(project=made, **quota)
    return made


new_project = project


def queue(*, name: str = "", **fields: Any) -> Queue:
    """A new queue, or the one of this name with these fields (live, default and batch exist from the start)."""
    return Queue.objects.update_or_create(name=name or f"queue{next(numbers)}", defaults=fields)[0]


def gpu(
    *, index: int = 0, model: str = "NVIDIA H100", memory_mb: int = 81_559, simulated: bool = True
) -> dict[str, Any]:
    return {"index": index, "model": model, "memory_mb": memory_mb, "uuid": f"GPU-{index}", "simulated": simulated}


def node(
    *,
    name: str = "",
    cpus: int = 8,
    memory_mb: int = 32_768,
    gpus: int | list[dict[str, Any]] = 0,
    state: str = "up",
    heartbeat: datetime | None = None,
    silent: bool = False,
    **fields: Any,
) -> Node:
    """A node that has just sent a heartbeat, unless it is `silent` (it never sent one). `gpus`: how many, or which."""
    return Node.objects.create(
        name=name or f"node{next(numbers)}",
        cpus=cpus,
        memory_mb=memory_mb,
        gpus=[gpu(index=index) for index in range(gpus)] if isinstance(gpus, int) else gpus,
        state=state,
        last_heartbeat_at=None if silent else heartbeat or timezone.now(),
        **fields,
    )


new_node = node


def job(
    *,
    project: Project | None = None,
    queue: Queue | str = "default",
    owner: User | None = None,
    state: str = JobState.PENDING,
    depends_on: Sequence[Job] = (),
    after: str = "ok",
    **fields: Any,
) -> Job:
    """A job in any state; a job that is over has a `finished_at`."""
    line = queue if isinstance(queue, Queue) else Queue.objects.get(name=queue)
    if state in TERMINAL_STATES:
        fields.setdefault("finished_at", timezone.now())
    fields.setdefault("name", f"job{next(numbers)}")
    fields.setdefault("command", ["true"])
    made = Job.objects.create(project=project or new_project(), queue=line, owner=owner, state=state, **fields)
    JobDependency.objects.bulk_create(JobDependency(job=made, needs=needed, after=after) for needed in depends_on)
    made.refresh_from_db()
    return made


new_job = job


def workload(*, project: Project | None = None, name: str = "", owner: User | None = None, **fields: Any) -> Workload:
    """One without jobs, that starts them in their turn; give it some with `job(workload=...)`."""
    place = project or new_project()
    return Workload.objects.create(project=place, name=name or f"workload{next(numbers)}", owner=owner, **fields)


def attempt(*, job: Job | None = None, number: int | None = None, **fields: Any) -> Attempt:
    """An open attempt, the job's next by default; with `ended_at` and `end_reason`, one that is over."""
    owner = job or new_job(state=JobState.QUEUED)
    made = Attempt.objects.create(job=owner, number=number or owner.attempt + 1, **fields)
    owner.attempt = made.number
    owner.save(update_fields=["attempt"])
    return made


new_attempt = attempt


def placement(
    *,
    attempt: Attempt | None = None,
    node: Node | None = None,
    gpu_indices: Sequence[int] = (),
    state: str = PlacementState.PLACED,
    cpus: int = 1,
    memory_mb: int = 0,
    **fields: Any,
) -> Placement:
    """An open placement that holds its GPUs; with state "closed", one that gave them back."""
    closed = state == PlacementState.CLOSED
    if closed:
        fields.setdefault("closed_at", timezone.now())
    made = Placement.objects.create(
        attempt=attempt or new_attempt(),
        node=node or new_node(gpus=len(gpu_indices)),
        gpu_indices=list(gpu_indices),
        state=state,
        cpus=cpus,
        memory_mb=memory_mb,
        **fields,
    )
    if not closed:
        GpuHold.objects.bulk_create(GpuHold(placement=made, node=made.node, index=index) for index in gpu_indices)
    return made


def running_job(
    *, node: Node | None = None, gpu_indices: Sequence[int] = (), cpus: int = 1, memory_mb: int = 0, **fields: Any
) -> Job:
    """A job that runs on one node: with its open attempt and its running placement."""
    machine = node or new_node(gpus=len(gpu_indices))
    settled: dict[str, Any] = {"state": JobState.RUNNING, "started_at": timezone.now(), "node": machine} | fields
    made = job(cpus=cpus, memory_mb=memory_mb, gpus=len(gpu_indices), **settled)
    placement(
        attempt=attempt(job=made, started_at=made.started_at),
        node=machine,
        gpu_indices=gpu_indices,
        state=PlacementState.RUNNING,
        cpus=cpus,
        memory_mb=memory_mb,
    )
    return made


def gang(*nodes: Node, state: str = PlacementState.PLACED, **fields: Any) -> list[Placement]:
    """The placements of a job over these nodes, by rank: placed, the job is queued; claimed, it is assigned."""
    job_state = {PlacementState.PLACED: JobState.QUEUED, PlacementState.CLAIMED: JobState.ASSIGNED}
    made = job(state=job_state.get(PlacementState(state), JobState.RUNNING), nodes=len(nodes), node=nodes[0], **fields)
    together = attempt(job=made, started_at=made.started_at, master_port=29_500)
    return [placement(attempt=together, node=one, rank=rank, state=state) for rank, one in enumerate(nodes)]


def event(*, job: Job | None = None, kind: str = "state", **fields: Any) -> JobEvent:
    return JobEvent.objects.create(job=job or new_job(), kind=kind, **fields)


def log(*, attempt: Attempt | None = None, rank: int = 0, data: bytes | str = b"hello\n", **fields: Any) -> LogChunk:
    """The next chunk of the attempt's output, or of that of one rank of a gang."""
    owner = attempt or new_attempt()
    last = owner.log_chunks.filter(rank=rank).last()
    return LogChunk.objects.create(
        attempt=owner,
        rank=rank,
        number=last.number + 1 if last else 0,
        offset=last.offset + len(last.data) if last else 0,
        data=data.encode() if isinstance(data, str) else data,
        **fields,
    )
