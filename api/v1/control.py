"""What people ask of a job that exists: cancel, requeue, pause, resume, hold, release.

They agree on what happens when they are asked twice: what is under way already is granted again (200) and changes nothing;
what has nothing left to do is a conflict (409) that names the state of the job.
"""

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.http.permissions import caller, job_to_control
from api.http.shapes import Nothing
from api.v1.jobs import answer
from api.v1.shapes.jobs import CancelIn, HoldIn, JobOut, PauseIn, RequeueIn
from jobs.control import actions


class CancelView(APIView):
    @extend_schema(operation_id="jobs_cancel", request=CancelIn, responses=JobOut)
    @transaction.atomic
    def post(self, request: Request, job_id: int) -> Response:
        """End a job: at once if it waits or is paused; if it runs, after a grace period.

        Nothing takes a cancellation back. 200 and no change while it is being cancelled; 409 once it has ended.
        """
        job_to_control(request, job_id)
        wanted = CancelIn.read(request.data)
        done = actions.cancel(job_id=job_id, actor=caller(request).username, reason=wanted["reason"])
        return answer(done, caller(request))


class RequeueView(APIView):
    @extend_schema(operation_id="jobs_requeue", request=RequeueIn, responses=JobOut)
    @transaction.atomic
    def post(self, request: Request, job_id: int) -> Response:
        """Put a job back in line with all its retries, also one that is over or paused; one that runs is stopped first.

        200 and no change while it is being requeued; 409 for a job that waits in line, or is being cancelled.
        """
        job_to_control(request, job_id)
        wanted = RequeueIn.read(request.data)
        done = actions.requeue(job_id=job_id, actor=caller(request).username, reason=wanted["reason"])
        return answer(done, caller(request))


class PauseView(APIView):
    @extend_schema(operation_id="jobs_pause", request=PauseIn, responses=JobOut)
    @transaction.atomic
    def post(self, request: Request, job_id: int) -> Response:
        """Have a job rest until it is resumed.

        One that waits is `paused` at once. One that runs gets SIGTERM and a grace period for its checkpoint, gives back what
        it holds, and is `paused` then; that costs no retry, and one that completes in its grace is completed. 200 and no
        change while it is being paused; 409 for a job that is paused, has ended, or is being cancelled.

        With `suspend` a running job stands still where it is (SIGSTOP) and keeps what it holds: its state stays `running`,
        `suspended` is true, and the clock of its `max_runtime_seconds` stops. 409 for a job that does not run, is
        suspended, or is being stopped. A suspended job that loses its place (its node is lost or drained, another job goes
        first) is paused.
        """
        job_to_control(request, job_id)
        wanted = PauseIn.read(request.data)
        verb = actions.suspend if wanted["suspend"] else actions.pause
        done = verb(job_id=job_id, actor=caller(request).username, reason=wanted["reason"])
        return answer(done, caller(request))


class ResumeView(APIView):
    @extend_schema(operation_id="jobs_resume", request=None, responses=JobOut)
    @transaction.atomic
    def post(self, request: Request, job_id: int) -> Response:
        """Let a paused job wait in line again, or a suspended one go on.

        Its age in line is what it was when it was paused. A job that is still being paused goes on if its node has not begun
        to stop it, and else is back in line as soon as it has stopped. 409 for a job that is neither paused nor suspended.
        """
        job_to_control(request, job_id)
        Nothing.read(request.data)
        return answer(actions.resume(job_id=job_id, actor=caller(request).username), caller(request))


class HoldView(APIView):
    @extend_schema(operation_id="jobs_hold", request=HoldIn, responses=JobOut)
    @transaction.atomic
    def post(self, request: Request, job_id: int) -> Response:
        """Keep a waiting job from starting until it is released. It stays `pending`, with the reason `held`.

        Meanwhile it gains no age in line, and no start is predicted for it. 409 for a job that does not wait in line, or is
        held already.
        """
        job_to_control(request, job_id)
        wanted = HoldIn.read(request.data)
        return answer(
            actions.hold(job_id=job_id, actor=caller(request).username, reason=wanted["reason"]), caller(request)
        )


class ReleaseView(APIView):
    @extend_schema(operation_id="jobs_release", request=None, responses=JobOut)
    @transaction.atomic
    def post(self, request: Request, job_id: int) -> Response:
        """End a hold; a job that was paused meanwhile stays paused. 409 for a job that is not held."""
        job_to_control(request, job_id)
        Nothing.read(request.data)
        return answer(actions.release(job_id=job_id, actor=caller(request).username), caller(request))
