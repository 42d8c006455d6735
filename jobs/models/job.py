"""Jobs and what happens to them. Rows answer questions about themselves; only `transitions.py` changes a state."""

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from jobs.models.code.snapshots import HAS_CODE, CodeSnapshot
from jobs.models.control import Controlled
from jobs.models.measured import GpuActivity, Measured
from jobs.models.queue import Queue
from jobs.models.workload import Workload
from quotas.models import Project
from scheduling.lifecycle import ACTIVE_STATES, EndReason, JobState, PlacementState
from telemetry.origin import Origin
from workers.models import Node

ENDED = [JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED]


def choices(enum: type[JobState] | type[EndReason] | type[PlacementState]) -> list[tuple[str, str]]:
    return [(member.value, member.value) for member in enum]


class Job(Controlled):
    """What a user submitted: a command, its resources, its place in line."""

    name = models.CharField(max_length=200)
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="jobs")
    queue = models.ForeignKey(Queue, on_delete=models.PROTECT, related_name="jobs")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="jobs"
    )
    priority = models.PositiveSmallIntegerField(default=50, validators=[MaxValueValidator(100)])
    command = models.JSONField()
    working_dir = models.CharField(max_length=4096, blank=True)
    env = models.JSONField(default=dict, blank=True)
    # Names alone: which values they mean is looked up when it starts. And by name what of them are files, and how called.
    secrets = ArrayField(models.CharField(max_length=128), default=list, blank=True, db_default=[])
    secret_files = models.JSONField(default=dict, blank=True, db_default=models.Value({}, models.JSONField()))
    # The folder in a copy of which it runs; its working_dir is inside of that then.
    snapshot = models.ForeignKey(
        CodeSnapshot, null=True, blank=True, on_delete=models.PROTECT, related_name="jobs", db_index=False, editable=False
    )  # fmt: skip
    # Outputs of other jobs that it finds in its TRAINYARD_INPUT_DIR: [{"job": 17, "path": "model.pt", "to": "model.pt"}].
    inputs = models.JSONField(default=list, blank=True, db_default=models.Value([], models.JSONField()), editable=False)
    # Whatever the rules on age say: what its attempts left is kept for as long as the job is.
    keep_outputs = models.BooleanField(default=False, db_default=False, editable=False)
    labels = models.JSONField(default=dict, blank=True)

    cpus = models.PositiveIntegerField(default=1)
    memory_mb = models.PositiveBigIntegerField(default=0)
    gpus = models.PositiveIntegerField(default=0)
    gpu_memory_mb = models.PositiveBigIntegerField(default=0)
    gpu_model = models.CharField(max_length=100, blank=True)
    nodes = models.PositiveIntegerField(default=1)
    node_labels = models.JSONField(
        default=dict, blank=True, db_default=models.Value({}, models.JSONField()),
        help_text="Names and values that each of its nodes must have.",
    )  # fmt: skip
    executor = models.CharField(
        max_length=40, blank=True, db_default="",
        help_text="Who runs it: agent, any, kubernetes, slurm or a cluster. Empty: as its queue says, else agents.",
    )  # fmt: skip
    image = models.CharField(
        max_length=500, blank=True, db_default="", help_text="Container image; empty: the cluster's. Agents use none."
    )
    environment = models.JSONField(
        default=dict, blank=True, db_default=models.Value({}, models.JSONField()),
        help_text="In what its command runs: a kind and where it is, perhaps a version of Python. Empty: what its node has.",
    )  # fmt: skip
    # Labels that its nodes must have because of that.
    environment_labels = models.JSONField(default=dict, blank=True, db_default=models.Value({}, models.JSONField()), editable=False)  # fmt: skip

    max_runtime_seconds = models.PositiveIntegerField(null=True, blank=True)
    estimated_runtime_seconds = models.PositiveIntegerField(null=True, blank=True)
    stall_seconds = models.PositiveIntegerField(
        null=True, blank=True, help_text="Without progress for longer than this, once it has reported any: stalled."
    )
    stall_action = models.CharField(
        max_length=4, choices=[("stop", "stop"), ("warn", "warn")], default="stop", db_default="stop",
        help_text="What happens when it stalls: its attempt ends, or its history says so and no more.",
    )  # fmt: skip
    deadline = models.DateTimeField(null=True, blank=True)
    checkpointable = models.BooleanField(default=False)
    preemptible = models.BooleanField(default=True)
    max_retries = models.PositiveSmallIntegerField(default=0)
    grace_seconds = models.PositiveIntegerField(
        null=True, blank=True, help_text="From SIGTERM to SIGKILL when it has to give way or its time is over."
    )
    depends_on = models.ManyToManyField(
        "self", through="JobDependency", symmetrical=False, related_name="dependents", blank=True
    )
    on_dependency_failure = models.CharField(
        max_length=6, choices=[("cancel", "cancel"), ("wait", "wait")], default="cancel", db_default="cancel",
        help_text="What becomes of it while it waits, once something that it depends on can no longer come true.",
    )  # fmt: skip
    submission_key = models.CharField(max_length=200, blank=True)
    # By whose request it came, and in which span of which trace (W3C): see `telemetry.origin`.
    request_id = models.CharField(max_length=64, blank=True, db_default="", editable=False)
    traceparent = models.CharField(max_length=55, blank=True, db_default="", editable=False)
    # The same for all jobs that were submitted in one call; empty for one that came alone.
    batch = models.CharField(max_length=32, blank=True, db_default="", editable=False)
    workload = models.ForeignKey(
        Workload, null=True, blank=True, on_delete=models.SET_NULL, related_name="jobs", db_index=False, editable=False
    )

    state = models.CharField(max_length=10, choices=choices(JobState), default=JobState.PENDING, editable=False)
    # What is wanted of a job that is on its nodes: empty, or one of `jobs.state.desired.END_REASONS`. Its agents ask for it every second.
    desired = models.CharField(max_length=10, blank=True, editable=False)
    # [{"code": ..., "sentence": ..., "shortfall": {...}, "held_by": [...]}], refreshed by each cycle while it waits
    reasons = models.JSONField(default=list, editable=False)
    # Of the present attempt: how far it is, whether it said that it is done, and its clock for stalls (null: never reported).
    progress = models.FloatField(null=True, editable=False)
    said_done = models.BooleanField(default=False, db_default=False, editable=False)
    progress_at = models.DateTimeField(null=True, editable=False)
    metrics = models.JSONField(default=dict, editable=False)
    checkpoint_at = models.DateTimeField(null=True, editable=False)
    # Others were told to stop to make room for it, and it has not been placed since.
    promised = models.BooleanField(default=False, editable=False)
    # Learned from the jobs before it; `predicted_by` says from whose: template, owner or project.
    predicted_runtime_seconds = models.FloatField(null=True, editable=False)
    predicted_low_seconds = models.FloatField(null=True, editable=False)
    predicted_high_seconds = models.FloatField(null=True, editable=False)
    predicted_by = models.CharField(max_length=10, blank=True, editable=False)
    predicted_start = models.DateTimeField(null=True, editable=False)
    predicted_start_soonest = models.DateTimeField(null=True, editable=False)
    predicted_start_latest = models.DateTimeField(null=True, editable=False)
    # Under a policy that keeps a floor: by when it starts at the latest, by the limits of those before it.
    floor_start = models.DateTimeField(null=True, editable=False)
    # As it was submitted, by the prices of then. `cost_basis` says by which run time: predicted, said by its owner, its
    # limit; or that it is of one hour, as nobody knows when it ends.
    estimated_cost = models.DecimalField(max_digits=30, decimal_places=4, null=True, editable=False)
    cost_basis = models.CharField(max_length=10, blank=True, db_default="", editable=False)
    # Kept empty: the ledger says it, see `jobs.costs.so_far`.
    actual_cost = models.DecimalField(max_digits=14, decimal_places=4, null=True, editable=False)
    attempt = models.PositiveIntegerField(default=0, editable=False)
    retries_used = models.PositiveIntegerField(default=0, editable=False)
    platform_retries_used = models.PositiveIntegerField(default=0, editable=False)
    node = models.ForeignKey(Node, null=True, on_delete=models.SET_NULL, related_name="+", editable=False)
    not_before = models.DateTimeField(null=True, editable=False)
    exit_code = models.IntegerField(null=True, editable=False)
    end_reason = models.CharField(max_length=20, blank=True, choices=choices(EndReason), editable=False)
    message = models.CharField(max_length=2000, blank=True, editable=False)
    # The number of the job because of which it was cancelled: the first of the chain that led to it. It may be deleted.
    root_cause = models.BigIntegerField(null=True, editable=False)

    created_at = models.DateTimeField(db_default=Now(), editable=False)
    queued_at = models.DateTimeField(null=True, editable=False)
    started_at = models.DateTimeField(null=True, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(priority__lte=100), name="job_priority_0_to_100"),
            models.CheckConstraint(condition=Q(cpus__gte=1), name="job_needs_a_cpu"),
            models.CheckConstraint(condition=Q(nodes__gte=1), name="job_needs_a_node"),
            models.CheckConstraint(condition=Q(state__in=[state.value for state in JobState]), name="job_state_known"),
            models.CheckConstraint(
                condition=Q(on_dependency_failure__in=["cancel", "wait"]), name="job_on_dependency_failure_known"
            ),
            models.CheckConstraint(
                condition=Q(progress__isnull=True) | Q(progress__gte=0, progress__lte=1), name="job_progress_0_to_1"
            ),
            models.CheckConstraint(
                condition=Q(state__in=ENDED, finished_at__isnull=False)
                | Q(state__in=[state for state in JobState if state not in ENDED], finished_at__isnull=True),
                name="job_finished_at_set_when_it_ended",
            ),
            models.UniqueConstraint(
                fields=["project", "submission_key"], condition=~Q(submission_key=""), name="one_job_per_submission_key"
            ),
        ]
        indexes = [
            models.Index(
                fields=["queue", "-priority", "id"], name="job_waiting_line", condition=Q(state=JobState.PENDING)
            ),
            models.Index(
                fields=["id"], name="job_unstarted", condition=Q(state__in=[JobState.PENDING, JobState.PAUSED])
            ),
            models.Index(fields=["state"], name="job_active", condition=Q(state__in=sorted(ACTIVE_STATES))),
            models.Index(fields=["project", "state", "-id"], name="job_by_project"),
            models.Index(
                fields=["workload", "state", "-id"], name="job_of_workload", condition=Q(workload__isnull=False)
            ),
            models.Index(fields=["snapshot"], name="job_with_code", condition=HAS_CODE),
            models.Index(fields=["id"], name="job_with_secrets", condition=Q(state="pending") & ~Q(secrets=[])),
            models.Index(fields=["-created_at"], name="job_newest"),
            models.Index(fields=["finished_at"], name="job_ended", condition=Q(finished_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.name}"

    @property
    def hardware(self) -> str:
        return "gpu" if self.gpus else "cpu"

    @property
    def origin(self) -> Origin:
        return Origin(self.request_id, self.traceparent)


class Attempt(Measured):
    """One try at running a job. Every write on its behalf carries its token; a job has at most one open attempt."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveIntegerField()
    token = models.UUIDField(default=uuid.uuid4, editable=False)
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    end_reason = models.CharField(max_length=20, blank=True, choices=choices(EndReason))
    exit_code = models.IntegerField(null=True)
    message = models.CharField(max_length=2000, blank=True)
    saved = models.BooleanField(null=True)  # told to give way, it wrote a checkpoint after that; null: nobody looked
    # How long it had run at its last checkpoint, 0 without one; null: it runs, or ended where nobody had to know.
    saved_seconds = models.FloatField(null=True)
    progress = models.FloatField(
        null=True
    )  # what it had said as it ended; null as for `saved_seconds`, or it said nothing
    resumed = models.BooleanField(
        null=True
    )  # False: it went on from nothing, though work had been saved; null: nobody saw that
    # Where its processes meet, on the node of rank 0. Of a gang that is ending, `end_reason` is there before
    # `ended_at`: it ends with its last placement.
    master_port = models.PositiveIntegerField(null=True)
    # Why it was placed where it was, as `jobs.planning.decisions` writes it: by which strategy, and of a scored one the best few nodes.
    decision = models.JSONField(default=dict, db_default=models.Value({}, models.JSONField()))

    class Meta:
        ordering = ["job_id", "number"]
        constraints = [
            models.UniqueConstraint(fields=["job", "number"], name="attempt_number_once"),
            models.UniqueConstraint(
                fields=["job"], condition=Q(ended_at__isnull=True), name="one_open_attempt_per_job"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.job_id}#{self.number}"


class Placement(GpuActivity):
    """One attempt's share of one node: the unit of claim, lease and accounting. Open until `closed_at` is set."""

    attempt = models.ForeignKey(Attempt, on_delete=models.CASCADE, related_name="placements")
    node = models.ForeignKey(Node, on_delete=models.PROTECT, related_name="placements")
    rank = models.PositiveIntegerField(default=0)
    cpus = models.PositiveIntegerField()
    memory_mb = models.PositiveBigIntegerField()
    gpu_indices = ArrayField(models.PositiveSmallIntegerField(), default=list)
    state = models.CharField(max_length=10, choices=choices(PlacementState), default=PlacementState.PLACED)
    created_at = models.DateTimeField(db_default=Now())
    published_at = models.DateTimeField(db_default=Now())
    publish_count = models.PositiveIntegerField(default=1)
    claimed_at = models.DateTimeField(null=True)
    lease_expires_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    # Which agent took it, and how its own command ended: of a gang, each member for itself.
    claimed_by = models.UUIDField(null=True)
    end_reason = models.CharField(max_length=20, blank=True, db_default="")
    active_at = models.DateTimeField(null=True)  # the last sign of life: output, a report, work of its processes

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["attempt", "rank"], name="placement_rank_once"),
            models.CheckConstraint(
                condition=Q(state=PlacementState.CLOSED, closed_at__isnull=False)
                | (~Q(state=PlacementState.CLOSED) & Q(closed_at__isnull=True)),
                name="placement_closed_at_set_when_closed",
            ),
        ]
        indexes = [
            models.Index(fields=["node"], name="placement_open", condition=Q(closed_at__isnull=True)),
            models.Index(fields=["lease_expires_at"], name="placement_lease", condition=Q(closed_at__isnull=True)),
            models.Index(fields=["closed_at"], name="placement_failed", condition=~Q(end_reason__in=["", "completed"])),
            models.Index(fields=["node", "closed_at"], name="placement_done", condition=Q(end_reason="completed")),
            models.Index(fields=["closed_at"], name="placement_gpu_hours", condition=~Q(gpu_indices=[])),
            models.Index(
                fields=["closed_at", "created_at"], name="placement_closed", condition=Q(closed_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.attempt} on {self.node}"


class GpuHold(models.Model):
    """One GPU of one node held by one open placement; the database refuses a second holder."""

    placement = models.ForeignKey(Placement, on_delete=models.CASCADE, related_name="gpu_holds")
    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="+")
    index = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["node", "index"], name="gpu_held_once")]

    def __str__(self) -> str:
        return f"{self.node}:{self.index}"


class JobEvent(models.Model):
    """What happened to a job, in order: each change of state writes one in its own transaction."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(db_default=Now())
    kind = models.CharField(max_length=30)
    from_state = models.CharField(max_length=10, blank=True)
    to_state = models.CharField(max_length=10, blank=True)
    attempt = models.PositiveIntegerField(null=True)
    actor = models.CharField(max_length=150, blank=True)
    message = models.CharField(max_length=2000, blank=True)
    data = models.JSONField(default=dict)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["job", "id"], name="event_of_job")]

    def __str__(self) -> str:
        return f"{self.job_id} {self.kind}"


class Preemption(models.Model):
    """An attempt that was told to stop for a waiting job. How it ended, and when, the attempt says."""

    attempt = models.OneToOneField(Attempt, on_delete=models.CASCADE, related_name="preemption")
    for_job = models.ForeignKey(Job, null=True, on_delete=models.SET_NULL, related_name="room_made")
    strategy = models.CharField(max_length=20)
    lost_seconds = models.FloatField(help_text="Work to be done again, as it was estimated when the attempt was told.")
    target = models.CharField(max_length=200, blank=True, help_text="The node to which its job moves, if it does.")
    at = models.DateTimeField(db_default=Now())
    # Whether it stands in the sums of `JobCount`, which outlive it.
    counted = models.BooleanField(default=False, db_default=False, editable=False)

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["at"], name="preemption_at"),
            models.Index(fields=["attempt"], name="preemption_uncounted", condition=Q(counted=False)),
        ]

    def __str__(self) -> str:
        return f"{self.attempt} for {self.for_job_id}"
