"""The same asked of many jobs, by their ids or by a filter. Each verb does to a job what it does to a single one."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.http.permissions import caller
from api.v1.selection import select
from api.v1.shapes.bulk import (
    BESIDE,
    CancelManyIn,
    ChangeManyIn,
    ChosenIn,
    HoldManyIn,
    OutcomeOut,
    PauseManyIn,
    RequeueManyIn,
    shown,
)
from jobs.control import actions, bulk, verbs
from jobs.control.verbs import ALWAYS_CHANGEABLE, ActionRequest, Verb


def answer(request: Request, wanted: Mapping[str, Any], verb: Verb, *, usual: str = "", **more: Any) -> Response:
    """Ask it of the jobs that are meant, and say what became of it."""
    user = caller(request)
    chosen = select(request, user, wanted, usual or verb.__name__)
    asked = ActionRequest(user.username, reason=wanted.get("reason", ""), **more)
    dry_run = wanted.get("dry_run", False)
    outcome = (bulk.preview if dry_run else bulk.grant)(verb, chosen.job_ids, asked)
    outcome = replace(outcome, refusals={**outcome.refusals, **chosen.refusals})
    return Response(shown(outcome, dry_run=dry_run))


class CancelManyView(APIView):
    @extend_schema(operation_id="jobs_cancel_many", request=CancelManyIn, responses=OutcomeOut)
    def post(self, request: Request) -> Response:
        """Cancel many jobs. A filter without a state means those that have not ended."""
        return answer(request, CancelManyIn.read(request.data), verbs.cancel)


class RequeueManyView(APIView):
    @extend_schema(operation_id="jobs_requeue_many", request=RequeueManyIn, responses=OutcomeOut)
    def post(self, request: Request) -> Response:
        """Put many jobs back in line. A filter without a state means those that failed or were cancelled."""
        return answer(request, RequeueManyIn.read(request.data), verbs.requeue)


class PauseManyView(APIView):
    @extend_schema(operation_id="jobs_pause_many", request=PauseManyIn, responses=OutcomeOut)
    def post(self, request: Request) -> Response:
        """Pause many jobs, or suspend them. A filter without a state means those that wait or run."""
        wanted = PauseManyIn.read(request.data)
        return answer(request, wanted, verbs.suspend if wanted["suspend"] else verbs.pause)


class ResumeManyView(APIView):
    @extend_schema(operation_id="jobs_resume_many", request=ChosenIn, responses=OutcomeOut)
    def post(self, request: Request) -> Response:
        """Resume many jobs. A filter without a state means those that are paused or suspended."""
        return answer(request, ChosenIn.read(request.data), verbs.resume)


class HoldManyView(APIView):
    @extend_schema(operation_id="jobs_hold_many", request=HoldManyIn, responses=OutcomeOut)
    def post(self, request: Request) -> Response:
        """Hold many jobs. A filter without a state means those that wait in line."""
        return answer(request, HoldManyIn.read(request.data), verbs.hold)


class ReleaseManyView(APIView):
    @extend_schema(operation_id="jobs_release_many", request=ChosenIn, responses=OutcomeOut)
    def post(self, request: Request) -> Response:
        """Release many jobs. A filter without a state means those that are held."""
        return answer(request, ChosenIn.read(request.data), verbs.release)


def change_many(request: Request) -> Response:
    """What is beside the selection is what is to be different."""
    wanted = ChangeManyIn.read(request.data)
    terms = {name: value for name, value in wanted.items() if name not in BESIDE}
    usual = "label" if terms.keys() <= ALWAYS_CHANGEABLE else "change"
    return answer(request, wanted, verbs.change, usual=usual, columns=actions.columns_of(terms))
