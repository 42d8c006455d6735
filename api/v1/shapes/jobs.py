"""A job as JSON, in and out. Shapes and types only; what they may mean is for `submission` to judge."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, ClassVar

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from api.http.fields import (
    CommandField,
    EnvField,
    GigabytesField,
    GpuGigabytesField,
    LabelsField,
    MomentField,
    PriorityField,
    SecretsField,
)
from api.http.shapes import StrictSerializer, Text, Whole
from api.v1.shapes.batch_workload import WorkloadNameField
from api.v1.shapes.dependencies import DependencyOut, NeedsField, OnDependencyFailureField
from api.v1.shapes.environments import EnvironmentIn
from api.v1.shapes.inputs import InputIn, InputOut
from jobs.models import CodeSnapshot, Job
from jobs.models.queries import NEVER_RAN, Needed, Ran
from jobs.submission import limits
from jobs.submission.job_spec import JobSpec
from jobs.submission.pricing import BASES
from scheduling.lifecycle import EndReason


class ResourcesIn(StrictSerializer):
    gpus = Whole(limits.GPUS, required=False)
    gpu_memory_gb = GpuGigabytesField(required=False, help_text="Least memory of each GPU.")
    gpu_model = Text(
        100,
        required=False,
        allow_blank=True,
        help_text="A whole name such as h100, H100-SXM or NVIDIA L4; several with commas; with * or ? a pattern.",
    )
    cpus = Whole(limits.CPUS, least=1, required=False)
    memory_gb = GigabytesField(
        required=False,
        help_text="Memory on each node. A job that names none gets a default where a quota limits memory.",
    )
    nodes = Whole(limits.NODES, least=1, required=False)
    node_labels = LabelsField(required=False, help_text="Names and values that each node must have.")


class JobTerms(StrictSerializer):
    """What a job says at submission and may still say differently later."""

    queue = Text(40, required=False)
    priority = PriorityField(required=False)
    max_runtime_seconds = Whole(limits.SECONDS, least=1, required=False, allow_null=True)
    estimated_runtime_seconds = Whole(limits.SECONDS, least=1, required=False, allow_null=True)
    stall_seconds = Whole(limits.SECONDS, least=1, required=False, allow_null=True)
    stall_action = serializers.ChoiceField(choices=["stop", "warn"], required=False)
    grace_seconds = Whole(
        limits.SECONDS, required=False, allow_null=True,
        help_text="From SIGTERM to SIGKILL when it is paused, preempted, drained or out of time; null: as the platform has it.",
    )  # fmt: skip
    begin_at = MomentField(
        required=False, allow_null=True, help_text="It does not start before this, and has no age in line until then."
    )
    deadline = MomentField(required=False, allow_null=True)
    checkpointable = serializers.BooleanField(required=False)
    preemptible = serializers.BooleanField(required=False)
    max_retries = Whole(limits.RETRIES, required=False)
    on_dependency_failure = OnDependencyFailureField(required=False)
    labels = LabelsField(required=False)

    def validate_grace_seconds(self, seconds: int | None) -> int | None:
        most = settings.MAX_GRACE_SECONDS
        if seconds is not None and seconds > most:
            raise serializers.ValidationError(f"May be at most {most} here: the operator's limit.", "too_long")
        return seconds


class JobDefaults(JobTerms):
    """What a job may say about itself; nothing of it is required."""

    name = Text(limits.NAME, required=False, help_text="Empty: the beginning of the command.")
    project = Text(63, required=False)
    command = CommandField(required=False)
    executor = Text(40, required=False, allow_blank=True)
    image = Text(limits.IMAGE, required=False, allow_blank=True)
    environment = EnvironmentIn(required=False, help_text="In what its command runs; else what its node has.")
    working_dir = Text(limits.PATH, required=False, allow_blank=True)
    env = EnvField(required=False)
    secrets = SecretsField(
        required=False,
        help_text="Names of secrets that it finds in its environment: its owner's own, else its project's. "
        'As {"name": "GCP_KEY", "file": "gcp.json"} in a file, whose path is in GCP_KEY_FILE.',
    )
    resources = ResourcesIn(required=False)
    depends_on = NeedsField(
        required=False,
        help_text="Jobs that have to end first: their ids, or in a batch the submission_key or the name of another of its jobs. "
        'Each as it is (it has to complete), or as {"job": ..., "after": "ok" | "any" | "failed"}.',
    )
    submission_key = Text(200, required=False, allow_blank=True)
    reason = Text(200, required=False, allow_blank=True, help_text="Why it is submitted; stands in its history.")
    snapshot = Whole(
        2**63 - 1, least=1, required=False, allow_null=True,
        help_text="The code in a private copy of which it runs, of its own project; its working_dir is inside of that then.",
    )  # fmt: skip
    inputs = serializers.ListField(
        child=InputIn(), required=False, max_length=limits.INPUTS,
        help_text="Outputs of other jobs that it finds in TRAINYARD_INPUT_DIR. It starts when those jobs have completed.",
    )  # fmt: skip
    workload = WorkloadNameField(required=False, help_text="Its workload, by name; one that is not there is made.")


class JobIn(JobDefaults):
    """A job as somebody submits it."""

    project = Text(63)
    command = CommandField()


class ReasonIn(StrictSerializer):
    reason = Text(200, default="", allow_blank=True, help_text="Why; stands in the job's history.")


class CancelIn(ReasonIn):
    """Why a job is not wanted any more."""


class RequeueIn(ReasonIn):
    """Why a job is to run again."""


class PauseIn(ReasonIn):
    """How a job is to rest: off its node, or on it."""

    suspend = serializers.BooleanField(default=False, help_text="Stand still and keep what it holds.")


class HoldIn(StrictSerializer):
    reason = Text(200, default="", allow_blank=True, help_text="For those who wonder.")


MEGABYTES = {"gpu_memory_gb": "gpu_memory_mb", "memory_gb": "memory_mb"}


def spec_of(values: dict[str, Any]) -> JobSpec:
    """What a validated JobIn asks for: its resources unfolded, a name where it has none."""
    fields = unfolded(values)
    fields |= {name: tuple(fields.get(name, ())) for name in ("depends_on", "secrets", "inputs")}
    fields["name"] = fields.get("name") or " ".join(fields["command"])[: limits.NAME]
    return JobSpec(**fields)


def unfolded(values: dict[str, Any]) -> dict[str, Any]:
    """Validated fields of a job with its resources beside the others, as a spec has them."""
    fields = {name: value for name, value in values.items() if name != "resources"}
    if "secrets" in fields:
        said = fields["secrets"]
        fields |= {"secrets": tuple(said), "secret_files": {name: file for name, file in said.items() if file}}
    return fields | {MEGABYTES.get(name, name): value for name, value in values.get("resources", {}).items()}


class ResourcesOut(serializers.Serializer[Job]):
    gpus = serializers.IntegerField()
    gpu_memory_gb = GpuGigabytesField(source="gpu_memory_mb")
    gpu_model = serializers.CharField()
    cpus = serializers.IntegerField()
    memory_gb = GigabytesField(source="memory_mb")
    nodes = serializers.IntegerField()
    node_labels = serializers.DictField(child=serializers.CharField())


class ReasonOut(serializers.Serializer[Any]):
    """Why a job waits, as data and as a sentence."""

    code = serializers.CharField()
    sentence = serializers.CharField()
    shortfall = serializers.DictField(required=False)
    held_by = serializers.ListField(child=serializers.IntegerField(), required=False, help_text="Ids of jobs.")
    budget = serializers.DictField(
        required=False,
        help_text="Of a budget that does not pay for the job: its id, project and unit; amount, spent, committed (to what runs), "
        "kept (for jobs before it), needed and would_start_with, in its unit as text; next_period, and longest_seconds, "
        "the longest limit with which it would be paid.",
    )


class CodeOut(serializers.ModelSerializer[CodeSnapshot]):
    """The folder in a copy of which a job runs. What was not committed stands with the snapshot."""

    snapshot = serializers.IntegerField(source="pk")
    commit = serializers.CharField(help_text="Of its repository; empty: it has none.")
    dirty = serializers.BooleanField(
        allow_null=True, help_text="Whether anything was not committed; null: no repository."
    )

    class Meta:
        model = CodeSnapshot
        fields = ("snapshot", "digest", "commit", "branch", "dirty")


class HoldOut(serializers.Serializer[Job]):
    by = serializers.CharField(source="held_by")
    reason = serializers.CharField(source="held_reason")
    since = serializers.DateTimeField(source="held_at")


class JobOut(serializers.ModelSerializer[Job]):
    """A job in full, but for its `position`, what it depends on and how long it ran, which `shown` fills in: no row knows its own."""

    project = serializers.CharField(source="project.slug")
    queue = serializers.CharField(source="queue.name")
    owner = serializers.CharField(source="owner.username", default=None, allow_null=True)
    node = serializers.CharField(source="node.name", default=None, allow_null=True)
    workload = serializers.CharField(source="workload.name", default=None, allow_null=True)
    command = serializers.ListField(child=serializers.CharField())
    env = serializers.DictField(
        child=serializers.CharField(allow_null=True),
        help_text="Values are null for everybody but its owner and administrators of its project.",
    )
    secrets = serializers.ListField(child=serializers.CharField(), help_text="Names of the secrets that it gets.")
    secret_files = serializers.DictField(
        child=serializers.CharField(), help_text="Of these, by name, the files in which it finds them."
    )
    code = CodeOut(
        source="snapshot", allow_null=True, help_text="What it brought along; null: it runs what lies on its node."
    )
    inputs = InputOut(many=True, help_text="Outputs of other jobs that it finds in TRAINYARD_INPUT_DIR.")
    environment = serializers.DictField(
        child=serializers.CharField(), help_text="In what its command runs; empty: what its node has."
    )
    labels = serializers.DictField(child=serializers.CharField())
    metrics = serializers.DictField()
    hardware = serializers.ChoiceField(choices=["cpu", "gpu"])
    resources = ResourcesOut(source="*")
    depends_on = serializers.SerializerMethodField()
    dependencies = serializers.SerializerMethodField(help_text="What stands in `depends_on`, and how it stands.")
    position = serializers.SerializerMethodField(
        help_text="Place in line, 1 is next. Null for a job that could not start if there was room: it does not wait, is "
        "held, waits for a time or other jobs or in a paused queue, or no cycle has looked at it yet."
    )
    run_seconds = serializers.SerializerMethodField(
        help_text="For how long its attempts that are over have run, all together. Null for a job that has not run."
    )
    running_since = serializers.SerializerMethodField(help_text="When its present attempt began to run.")
    gpus_idle_since = serializers.SerializerMethodField(
        help_text="Since when none of its GPUs has worked, where a rule on idle GPUs has warned it of that."
    )
    reasons = serializers.SerializerMethodField()
    suspended = serializers.BooleanField(help_text="It stands still on its node, with all that it holds.")
    held = serializers.SerializerMethodField(help_text="Who keeps it from starting; null: nobody.")
    root_cause = serializers.IntegerField(
        allow_null=True, help_text="The job because of which it was cancelled: the first of the chain that led to it."
    )
    estimated_cost = serializers.FloatField(allow_null=True)
    actual_cost = serializers.SerializerMethodField(
        help_text="What it has cost so far, what runs now included; null for what has no price."
    )
    cost_basis = serializers.ChoiceField(BASES, allow_blank=True)
    end_reason = serializers.ChoiceField(
        [reason.value for reason in EndReason], allow_blank=True, help_text="Why it is over; empty until then."
    )

    class Meta:
        model = Job
        fields: ClassVar = [
            "id", "name", "project", "queue", "owner", "priority", "hardware", "command", "working_dir", "env", "secrets", "secret_files", "code", "inputs",
            "executor", "image", "environment",
            "resources", "max_runtime_seconds", "estimated_runtime_seconds", "stall_seconds",
            "stall_action", "grace_seconds", "begin_at", "deadline", "checkpointable", "preemptible", "max_retries", "depends_on", "dependencies",
            "on_dependency_failure", "labels", "submission_key", "state", "desired", "suspended", "held", "promised", "progress", "metrics", "checkpoint_at", "position", "reasons",
            "predicted_runtime_seconds", "predicted_start", "predicted_start_soonest", "predicted_start_latest",
            "floor_start", "estimated_cost", "cost_basis", "actual_cost", "batch", "workload", "attempt", "node", "created_at", "queued_at", "started_at", "finished_at",
            "run_seconds", "running_since", "gpus_idle_since", "exit_code", "end_reason", "message", "root_cause",
        ]  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(ReasonOut(many=True))
    def get_reasons(self, job: Job) -> Any:
        return job.reasons

    @extend_schema_field(HoldOut(allow_null=True))
    def get_held(self, job: Job) -> Any:
        return None if job.held_at is None else HoldOut(job).data

    def get_depends_on(self, job: Job) -> list[int]:
        # `shown` fills it in, as `dependencies` and `position`: they are read for many jobs at once
        return []

    @extend_schema_field(DependencyOut(many=True))
    def get_dependencies(self, job: Job) -> Any:
        return []

    def get_position(self, job: Job) -> int | None:
        return None

    def get_run_seconds(self, job: Job) -> float | None:
        return None

    def get_running_since(self, job: Job) -> datetime | None:
        return None

    def get_gpus_idle_since(self, job: Job) -> datetime | None:
        return None

    def get_actual_cost(self, job: Job) -> float | None:
        return None


@cache
def _ready() -> JobOut:
    """One is enough: showing keeps nothing, and to make one takes longer than to show a job."""
    return JobOut()


def shown(
    job: Job,
    position: int | None,
    needs: Sequence[Needed] = (),
    ran: Ran = NEVER_RAN,
    cost: Decimal | None = None,
) -> dict[str, Any]:
    """The job as JSON."""
    known = {
        "position": position,
        "depends_on": [one.job for one in needs],
        "dependencies": [{"job": one.job, "after": one.after, "state": one.state} for one in needs],
        "run_seconds": ran.seconds,
        "running_since": ran.since,
        "gpus_idle_since": ran.idle_since,
        # A number, as the contract has it: of up to 15 digits none is lost.
        "actual_cost": None if cost is None else float(cost),
    }
    return {**_ready().to_representation(job), **known}
