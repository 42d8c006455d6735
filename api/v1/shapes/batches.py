"""Many jobs in one request, in and out."""

from typing import Any

from rest_framework import serializers

from api.http.shapes import StrictSerializer
from api.v1.shapes.batch_workload import WorkloadField
from api.v1.shapes.jobs import JobDefaults, JobIn
from jobs.models import Job
from jobs.submission import limits


class BatchIn(StrictSerializer):
    """Many jobs, all of them or none. `defaults` holds for each job that does not say otherwise."""

    defaults = JobDefaults(required=False)
    jobs = JobIn(many=True, allow_empty=False, max_length=limits.BATCH)  # type: ignore[call-arg]  # DRF hands it to the list
    workload = WorkloadField(
        required=False,
        help_text="The workload of all of these jobs that name no other: its name, or an object with what a new one has: "
        '{"name": "sweep-7", "held": true, "max_running": 4, "stop_on_failure": true}.',
    )

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        merged = _with_defaults(data)
        _refuse_too_many_links(merged)
        return super().to_internal_value(merged)


def _refuse_too_many_links(data: Any) -> None:
    """Before each of them is looked at: a line of defaults can ask for millions."""
    jobs = data.get("jobs") if isinstance(data, dict) else None
    needs = [job.get("depends_on") for job in jobs if isinstance(job, dict)] if isinstance(jobs, list) else []
    if sum(len(one) for one in needs if isinstance(one, list)) > limits.BATCH_DEPENDENCIES:
        words = (
            f"May depend on at most {limits.BATCH_DEPENDENCIES} jobs in all. "
            "Have one job in between, that depends on the ones and that the others depend on."
        )
        raise serializers.ValidationError({"jobs": [words]})


MERGED = ("resources", "env", "labels")


def _with_defaults(data: Any) -> Any:
    """The batch with its defaults written into each job; whatever has the wrong shape is left for validation to name."""
    defaults, jobs = (data.get("defaults"), data.get("jobs")) if isinstance(data, dict) else (None, None)
    if not isinstance(defaults, dict) or not isinstance(jobs, list) or len(jobs) > limits.BATCH:
        return data
    return {**data, "jobs": [_merge(defaults, job) if isinstance(job, dict) else job for job in jobs]}


def _merge(defaults: dict[str, Any], job: dict[str, Any]) -> dict[str, Any]:
    merged = {**defaults, **job}
    for field in MERGED:
        if isinstance(defaults.get(field), dict) and isinstance(job.get(field), dict):
            merged[field] = {**defaults[field], **job[field]}
    return merged


class BatchJobOut(serializers.Serializer[Job]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    state = serializers.CharField()
    submission_key = serializers.CharField()


class BatchOut(serializers.Serializer[Any]):
    """The jobs of a batch in its order; `count` of them are new."""

    count = serializers.IntegerField()
    batch = serializers.CharField(
        help_text="What the jobs have in common: costs are summed up by it. Empty for one job."
    )
    jobs = BatchJobOut(many=True)
