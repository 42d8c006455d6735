"""Jobs: submit, list, look, change."""

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import BigIntegerField, ExpressionWrapper, F, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.http.authentication import caps_of
from api.http.permissions import caller, job_to_control, job_to_read
from api.v1 import env_sight
from api.v1.bulk import change_many
from api.v1.job_filters import JobFilter
from api.v1.shapes.batches import BatchIn, BatchOut
from api.v1.shapes.bulk import ChangeManyIn, OutcomeOut
from api.v1.shapes.changes import CloneIn, JobChange
from api.v1.shapes.jobs import JobIn, JobOut, shown, spec_of, unfolded
from jobs.costs import so_far
from jobs.editing.clone import clone
from jobs.editing.edit import edit
from jobs.models import Job, queries
from jobs.submission.submit import Submitted, submit

FIRST_COME = 2**40  # more than any job id: among equal priorities the older job is the more urgent one
URGENCY = ExpressionWrapper(F("priority") * FIRST_COME - F("id"), output_field=BigIntegerField())


def described(jobs: Sequence[Job]) -> list[dict[str, Any]]:
    positions, needs, ran = queries.positions_of(jobs), queries.needs_of(jobs), queries.ran(jobs)
    costs = so_far.cost_of(jobs)
    return [
        shown(
            job,
            positions.get(job.pk),
            needs.get(job.pk, ()),
            ran.get(job.pk, queries.NEVER_RAN),
            costs.get(job.pk),
        )
        for job in jobs
    ]


def seen_by(user: User, jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """The jobs as JSON, without what is not for this user."""
    return env_sight.hide_from(user, jobs, described(jobs))


def answer(job: Job, user: User) -> Response:
    return Response(seen_by(user, [job])[0])


def submitted_one(request: Request, wanted: dict[str, Any]) -> Response:
    """The answer to a submission of one job, after it."""
    [submitted] = submit(specs=[spec_of(wanted)], owner=caller(request), caps=caps_of(request))
    return brought(request, submitted, alone=not (wanted.get("depends_on") or wanted.get("inputs")))


def brought(request: Request, submitted: Submitted, *, alone: bool = False) -> Response:
    """`alone`: it is known to depend on nothing."""
    if submitted.created:  # no cycle has seen it: it has no place in line to look for
        needs = queries.needs_of([] if alone else [submitted.job])
        return Response(shown(submitted.job, None, needs.get(submitted.job.pk, ())), status=201)
    return answer(submitted.job, caller(request))


class JobsView(GenericAPIView[Job]):
    queryset = Job.objects.none()
    serializer_class = JobOut
    filterset_class = JobFilter
    orderings = {"-id": "-id", "id": "id", "-priority": "-urgency", "priority": "urgency"}

    def get_queryset(self) -> QuerySet[Job]:
        return queries.visible_jobs(caller(self.request)).annotate(urgency=URGENCY)

    @extend_schema(operation_id="jobs_list", responses=JobOut(many=True))
    def get(self, request: Request) -> Response:
        """The jobs of your projects, newest first."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        return self.get_paginated_response(seen_by(caller(request), page))

    @extend_schema(operation_id="jobs_submit", request=JobIn, responses={201: JobOut, 200: JobOut}, filters=False)
    @transaction.atomic
    def post(self, request: Request) -> Response:
        """Submit a job. A submission_key that the project has seen answers 200 with the job that it brought first."""
        return submitted_one(request, JobIn.read(request.data))

    @extend_schema(operation_id="jobs_change_many", request=ChangeManyIn, responses=OutcomeOut, filters=False)
    def patch(self, request: Request) -> Response:
        """Change many jobs: their place in line while they wait, labels at any time.

        A filter without a state means those that wait, and for labels alone those that have not ended.
        """
        return change_many(request)


class BatchView(APIView):
    @extend_schema(operation_id="jobs_submit_batch", request=BatchIn, responses={201: BatchOut})
    def post(self, request: Request) -> Response:
        """Submit up to 10,000 jobs: all of them, or none."""
        wanted = BatchIn.read(request.data)
        terms = wanted.get("workload")
        usual = {"workload": terms.name} if terms else {}
        specs = [spec_of(usual | values) for values in wanted["jobs"]]
        submitted = submit(specs=specs, owner=caller(request), caps=caps_of(request), terms=terms)
        jobs = [one.job for one in submitted]
        batch = next((one.job.batch for one in submitted if one.created), "")
        return Response(BatchOut({"count": len(jobs), "batch": batch, "jobs": jobs}).data, status=201)


class JobView(APIView):
    @extend_schema(operation_id="jobs_retrieve", responses=JobOut)
    def get(self, request: Request, job_id: int) -> Response:
        """One job."""
        return answer(job_to_read(request, job_id), caller(request))

    @extend_schema(operation_id="jobs_change", request=JobChange, responses=JobOut)
    @transaction.atomic
    def patch(self, request: Request, job_id: int) -> Response:
        """Change a job's name and labels at any time; while it waits also what it runs, asks for, and its place in line.

        Judged as a submission is; it keeps its age in line. What it runs is changed by its owner and administrators of
        its project alone. 409 for a job that was placed meanwhile, with its state. A capped token changes the jobs that
        were submitted with it, to what its caps pay for.
        """
        job_to_control(request, job_id)
        changes = unfolded(JobChange.read(request.data))
        reason = changes.pop("reason", "")
        done = edit(job_id=job_id, user=caller(request), changes=changes, reason=reason, caps=caps_of(request))
        return answer(done, caller(request))


class CloneView(APIView):
    @extend_schema(operation_id="jobs_clone", request=CloneIn, responses={201: JobOut, 200: JobOut})
    @transaction.atomic
    def post(self, request: Request, job_id: int) -> Response:
        """Submit a job like this one, with changes, as yours. It depends on nothing, and belongs to no workload unless you say so."""
        changes = unfolded(CloneIn.read(request.data))
        if "depends_on" in changes:
            changes["depends_on"] = tuple(changes["depends_on"])
        job = job_to_read(request, job_id)
        return brought(request, clone(job=job, user=caller(request), changes=changes, caps=caps_of(request)))
