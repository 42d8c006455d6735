"""A workload as JSON, in and out."""

from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from api.http.fields import EnvChangesField, PriorityField
from api.http.shapes import StrictSerializer, Text, Whole
from api.v1.shapes.batch_workload import MOST_RUNNING
from api.v1.shapes.changes import ENV_CHANGES
from api.v1.shapes.jobs import JobTerms, ResourcesIn
from jobs.models import Workload, workload_name_validator
from jobs.reports.workload_statistics import Statistics
from jobs.reports.workloads import Summary
from jobs.submission import limits
from scheduling.lifecycle import JobState
from scheduling.workloads import Phase, Wanted


class WorkloadChange(StrictSerializer):
    name = serializers.CharField(max_length=63, validators=[workload_name_validator], required=False)
    description = Text(200, required=False, allow_blank=True)
    max_running = Whole(
        MOST_RUNNING, least=1, required=False, allow_null=True, help_text="Of its jobs at once; null: no limit."
    )
    stop_on_failure = serializers.BooleanField(required=False, help_text="The first job that fails cancels the others.")
    priority = PriorityField(required=False, help_text="Of all of its jobs that wait, from now on.")

    def run_validation(self, data: Any = serializers.empty) -> Any:
        values = super().run_validation(data)
        if not values and self.__class__ is WorkloadChange:
            names = ", ".join(self.fields)
            raise serializers.ValidationError({"max_running": [f"Say what to change, at least one of: {names}."]})
        return values


class WorkloadIn(StrictSerializer):
    name = serializers.CharField(max_length=63, validators=[workload_name_validator])
    project = Text(63)
    description = Text(200, required=False, allow_blank=True)
    max_running = Whole(
        MOST_RUNNING, least=1, required=False, allow_null=True, help_text="Of its jobs at once; null: no limit."
    )
    stop_on_failure = serializers.BooleanField(required=False, help_text="The first job that fails cancels the others.")
    held = serializers.BooleanField(required=False, help_text="Its jobs wait until it is started.")


class CloneWorkloadIn(JobTerms):
    """The new workload's name, and what is to be different in each of its jobs."""

    workload = serializers.CharField(max_length=63, validators=[workload_name_validator], help_text="Of the new one.")
    project = Text(63, required=False)
    env = EnvChangesField(required=False, help_text=ENV_CHANGES)
    image = Text(limits.IMAGE, required=False, allow_blank=True)
    executor = Text(40, required=False, allow_blank=True)
    resources = ResourcesIn(required=False)
    reason = Text(200, required=False, allow_blank=True, help_text="Why; stands in their history.")


class FirstFailureOut(serializers.Serializer[Any]):
    job = serializers.IntegerField()
    name = serializers.CharField()
    end_reason = serializers.CharField()
    message = serializers.CharField()
    at = serializers.DateTimeField()


class WorkloadOut(serializers.ModelSerializer[Workload]):
    """What is wanted of it, and how it stands: that is worked out from its jobs each time."""

    project = serializers.CharField(source="project.slug")
    owner = serializers.CharField(source="owner.username", default=None, allow_null=True)
    wanted = serializers.ChoiceField([one.value for one in Wanted], help_text="What people want of it.")
    state = serializers.SerializerMethodField(help_text="How it stands, by what is wanted and what its jobs do.")
    jobs = serializers.SerializerMethodField()
    counts = serializers.SerializerMethodField(help_text="Its jobs by state; states that none is in are left out.")
    done = serializers.SerializerMethodField(help_text="How many of its jobs have ended.")
    progress = serializers.SerializerMethodField(
        help_text="The mean over its jobs, 0 to 1: completed ones count as 1, others as they reported. Null without jobs."
    )
    predicted_end = serializers.SerializerMethodField(
        help_text="Null while it is not known of each job that has not ended."
    )
    began_at = serializers.SerializerMethodField(help_text="When the first of its jobs began to run.")
    finished_at = serializers.SerializerMethodField(help_text="When the last of its jobs ended, once all have.")
    estimated_cost = serializers.SerializerMethodField(
        help_text="As its jobs were submitted; null: nothing has a price."
    )
    cost = serializers.SerializerMethodField(help_text="So far, what runs included; null: nothing has a price.")
    gpu_hours = serializers.SerializerMethodField(help_text="That its jobs have held so far.")
    first_failure = serializers.SerializerMethodField()

    class Meta:
        model = Workload
        fields = (
            "id", "name", "project", "owner", "description", "wanted", "state", "max_running", "stop_on_failure",
            "stopped_by", "jobs", "counts", "done", "progress", "predicted_end", "began_at", "finished_at",
            "estimated_cost", "cost", "gpu_hours", "first_failure", "changed_by", "changed_at", "created_at", "started_at",
        )  # fmt: skip
        read_only_fields = fields

    def _of(self, workload: Workload) -> Summary:
        found: Summary = self.context["summaries"][workload.pk]
        return found

    @extend_schema_field(serializers.ChoiceField([one.value for one in Phase]))
    def get_state(self, workload: Workload) -> str:
        return str(self._of(workload).phase)

    def get_jobs(self, workload: Workload) -> int:
        return self._of(workload).jobs

    @extend_schema_field({"type": "object", "additionalProperties": {"type": "integer"}})
    def get_counts(self, workload: Workload) -> dict[str, int]:
        counts = self._of(workload).counts
        return {str(state): counts[state] for state in JobState if state in counts}

    def get_done(self, workload: Workload) -> int:
        return self._of(workload).done

    def get_progress(self, workload: Workload) -> float | None:
        return self._of(workload).progress

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_predicted_end(self, workload: Workload) -> Any:
        return self._of(workload).predicted_end

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_began_at(self, workload: Workload) -> Any:
        return self._of(workload).began_at

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_finished_at(self, workload: Workload) -> Any:
        return self._of(workload).finished_at

    def get_estimated_cost(self, workload: Workload) -> float | None:
        cost = self._of(workload).estimated_cost
        return None if cost is None else float(cost)

    def get_cost(self, workload: Workload) -> float | None:
        cost = self._of(workload).cost
        return None if cost is None else float(cost)

    def get_gpu_hours(self, workload: Workload) -> float:
        return self._of(workload).gpu_hours

    @extend_schema_field(FirstFailureOut(allow_null=True))
    def get_first_failure(self, workload: Workload) -> Any:
        failure = self._of(workload).first_failure
        return None if failure is None else FirstFailureOut(asdict(failure)).data


class SpreadOut(serializers.Serializer[Any]):
    """Seconds; null: of no job."""

    mean = serializers.FloatField(allow_null=True)
    median = serializers.FloatField(allow_null=True)
    longest = serializers.FloatField(allow_null=True)
    jobs = serializers.IntegerField(help_text="Of so many jobs.")


class OfStateOut(serializers.Serializer[Any]):
    state = serializers.CharField()
    jobs = serializers.IntegerField()
    cost = serializers.FloatField(allow_null=True, help_text="That is settled; null: nothing has a price.")
    gpu_hours = serializers.FloatField()


class RankedOut(serializers.Serializer[Any]):
    job = serializers.IntegerField()
    name = serializers.CharField()
    state = serializers.CharField()
    value = serializers.FloatField()


class StatisticsOut(serializers.Serializer[Any]):
    """Of all its jobs."""

    waits = SpreadOut(help_text="From submission to the first start, of those that have started.")
    runs = SpreadOut(help_text="Of all attempts of a job together.")
    retries = serializers.IntegerField()
    attempts = serializers.IntegerField()
    preemptions = serializers.IntegerField()
    lost_hours = serializers.FloatField(help_text="Work to be done again, as it was estimated when jobs gave way.")
    lost_gpu_hours = serializers.FloatField()
    by_state = OfStateOut(many=True)
    end_reasons = serializers.DictField(child=serializers.IntegerField(), help_text="Of those that did not complete.")
    best = RankedOut(many=True, help_text="With a `metric`: the jobs that report it best.")


class StatisticsQuery(StrictSerializer):
    """What a request for statistics may say."""

    metric = Text(200, required=False, help_text="Rank its jobs by their last value of it.")
    goal = serializers.ChoiceField(
        ["max", "min"], required=False, help_text="Whether the highest is best; usually max."
    )


def statistics_shown(found: Statistics) -> Any:
    states = [{"state": state, **asdict(one)} for state, one in found.by_state.items()]
    return StatisticsOut({**asdict(found), "by_state": states}).data
