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
    sentence = serializers.CharField()


class EfficiencyView(APIView):
    @extend_schema(operation_id="jobs_efficiency", responses=EfficiencyOut)
    def get(self, request: Request, job_id: int) -> Response:
        """What the job used of what it held: how much the next one like it should ask for."""
        job = job_to_read(request, job_id)
        found = efficiency_of(job)
        return Response(EfficiencyOut({"job": job.pk, "sentence": sentence_of(job, found), **found.as_data()}).data)
