"""What a job used of what it held."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.http.fields import GigabytesField
from api.http.permissions import job_to_read
from jobs.reports.efficiency import efficiency_of, sentence_of


class EfficiencyOut(serializers.Serializer[Any]):
    """Over all its attempts that are over and of which a node has told what they used."""

    job = serializers.IntegerField()
    run_seconds = serializers.FloatField(help_text="For how long these ran, all together.")
    cpu_seconds_held = serializers.FloatField(help_text="Run time by the CPUs that it held, on all its nodes.")
    cpu_seconds = serializers.FloatField(allow_null=True)
    cpu_percent = serializers.FloatField(allow_null=True, help_text="Of what it held; null: not known.")
    memory_gb = GigabytesField(source="memory_mb", help_text="What it asked for on each of its nodes.")
    peak_memory_gb = GigabytesField(source="peak_memory_mb", allow_null=True, help_text="The most at once on one node.")
    memory_percent = serializers.FloatField(allow_null=True, help_text="Of what it asked for; null: not known.")
    gpu_seconds_held = serializers.FloatField(help_text="Run time by the GPUs that it held, on all its nodes.")
    gpu_seconds_measured = serializers.FloatField(allow_null=True, help_text="Of those, what was measured.")
    gpu_seconds_busy = serializers.FloatField(allow_null=True, help_text="Of what was measured, what they worked.")
    gpu_seconds_idle = serializers.FloatField(
        allow_null=True, help_text="Of what was measured, each by itself without work, added up."
    )
    gpu_percent = serializers.FloatField(allow_null=True, help_text="Worked of what was measured; null: nothing was.")
    gpu_peak_memory_gb = GigabytesField(
        source="gpu_peak_memory_mb", allow_null=True, help_text="The most at once on its GPUs of one node."
    )
    gpu_joules = serializers.FloatField(allow_null=True, help_text="Energy of its GPUs; null: not measured.")
    cpu_joules = serializers.FloatField(
        allow_null=True, help_text="Its part of its nodes' processors'; null: not measured."
    )
    joules = serializers.FloatField(allow_null=True, help_text="Both together, as far as they are known.")
    watt_hours = serializers.FloatField(allow_null=True, help_text="The same in watt-hours.")
    energy_partial = serializers.BooleanField(
        allow_null=True, help_text="Part of its energy is in none of these; null: nothing was measured."
    )
    steps = serializers.FloatField(allow_null=True, help_text="The last step that it reported; null: it counts none.")
    steps_per_kilojoule = serializers.FloatField(
        allow_null=True, help_text="Steps by the energy that all its attempts used; null: one of them is not known."
    )
    sentence = serializers.CharField()


class EfficiencyView(APIView):
    @extend_schema(operation_id="jobs_efficiency", responses=EfficiencyOut)
    def get(self, request: Request, job_id: int) -> Response:
        """What the job used of what it held: how much the next one like it should ask for."""
        job = job_to_read(request, job_id)
        found = efficiency_of(job)
        return Response(EfficiencyOut({"job": job.pk, "sentence": sentence_of(job, found), **found.as_data()}).data)
