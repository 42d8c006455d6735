"""Quotas: what a project may hold at once, what it holds, what is left."""

from typing import Any

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.http.fields import GigabytesField
from api.http.permissions import caller
from api.http.shapes import Nothing, StrictSerializer, Whole
from api.v1.shapes import quotas
from api.v1.shapes.quotas import MOST, MOST_GB
from jobs.messages import publishing
from jobs.reports.quota_usage import account_of
from jobs.submission.pricing import SHOWN_PLACES
from quotas.limits import set_limits
from quotas.models import Project
from quotas.queries import find_project
from scheduling import memory_units
from scheduling.errors import FieldError, InvalidError


class LimitsIn(StrictSerializer):
    """A limit that is null is no limit."""

    gpus = Whole(MOST, required=False, allow_null=True)
    cpus = Whole(MOST, required=False, allow_null=True)
    memory_gb = GigabytesField(MOST_GB, required=False, allow_null=True)
    running_jobs = Whole(MOST, required=False, allow_null=True)
    waiting_jobs = Whole(MOST, required=False, allow_null=True)


class QuotaChange(StrictSerializer):
    """Limits, nested or a field each; both forms may stand side by side if they agree."""

    limits = LimitsIn(required=False)
    enforced = serializers.BooleanField(required=False, help_text="Off: usage is shown, nothing is held back.")
    enforce_quota = serializers.BooleanField(required=False, help_text="As enforced.")

    def get_fields(self) -> dict[str, Any]:
        return super().get_fields() | quotas.wanted_fields()


class AmountsOut(serializers.Serializer[Any]):
    gpus = serializers.IntegerField(allow_null=True)
    cpus = serializers.IntegerField(allow_null=True)
    memory_gb = serializers.FloatField(allow_null=True)
    running_jobs = serializers.IntegerField(allow_null=True)
    waiting_jobs = serializers.IntegerField(allow_null=True)


class QuotaOut(serializers.Serializer[Any]):
    """The amounts count everything below the project too; `available` also minds the quotas above it."""

    project = serializers.CharField()
    provider = serializers.CharField()
    enforced = serializers.BooleanField()
    limits = AmountsOut()
    usage = AmountsOut()
    available = AmountsOut()
    enforce_quota = serializers.BooleanField(help_text="As enforced.")
    pending_cost = serializers.DecimalField(
        30, SHOWN_PLACES, allow_null=True,
        help_text="What its jobs that wait are expected to cost, of which the end is known; null: none has a price.",
    )  # fmt: skip
    synced_at = serializers.DateTimeField(help_text="When limits and usage were last in line with the provider.")

    def get_fields(self) -> dict[str, Any]:
        return super().get_fields() | quotas.answered_fields()


class QuotaView(APIView):
    @extend_schema(operation_id="quota_retrieve", responses=QuotaOut)
    def get(self, request: Request, slug: str) -> Response:
        """The quota of a project: its limits, what is used, what is left."""
        return answer(find_project(caller(request), slug))

    @extend_schema(operation_id="quota_change", request=QuotaChange, responses=QuotaOut)
    def patch(self, request: Request, slug: str) -> Response:
        """Set limits, as staff or as an admin of a project above. Limits that are not named stay as they are."""
        project = find_project(caller(request), slug)
        wanted = QuotaChange.read(request.data)
        limits, enforced = quotas.limits_in(wanted), enforced_in(wanted)
        set_limits(project=project, actor=caller(request), limits=limits, enforced=enforced)
        publishing.request_cycle()
        return answer(project)


class QuotaSyncView(APIView):
    @extend_schema(operation_id="quota_sync", request=None, responses=QuotaOut)
    def post(self, request: Request, slug: str) -> Response:
        """Bring limits and usage in line with the provider. The local provider derives usage anew each time it is read."""
        Nothing.read(request.data)
        return answer(find_project(caller(request), slug))


class UsageView(APIView):
    @extend_schema(operation_id="projects_usage", responses=QuotaOut)
    def get(self, request: Request, slug: str) -> Response:
        """What a project and everything below it hold at this moment."""
        return answer(find_project(caller(request), slug))


def enforced_in(wanted: dict[str, Any]) -> bool | None:
    enforced: bool | None = wanted.get("enforced", wanted.get("enforce_quota"))
    if wanted.get("enforce_quota", enforced) != enforced:
        raise InvalidError([FieldError("enforce_quota", "Says something else than enforced.", "contradiction")])
    return enforced


def answer(project: Project) -> Response:
    account = account_of(project)
    return Response(
        {
            "project": account.project,
            "provider": settings.QUOTA_PROVIDER,
            "enforced": account.enforced,
            "limits": _shown(account.limits),
            "usage": _shown(dict(account.usage)),
            "available": _shown(account.available),
            "enforce_quota": account.enforced,
            "pending_cost": None if account.pending_cost is None else str(account.pending_cost),
            "synced_at": timezone.now(),  # the local provider derives usage as it is read
            **quotas.flat(account.limits, account.usage, account.available),
        }
    )


def _shown(amounts: Any) -> dict[str, Any]:
    shown = {name: amount for name, amount in amounts.items() if name != "memory_mb"}
    memory = amounts["memory_mb"]
    return {**shown, "memory_gb": None if memory is None else memory_units.gigabytes(memory)}
