"""What was used, in groups and periods."""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.http.csv_tables import cell, csv_answer
from api.http.permissions import caller
from api.v1.shapes.usage import UsageQuery, UsageReportOut
from api.v1.usage.time import Time
from jobs.usage.report import Scope, Usage, UsageReport, report
from quotas.costs.reports import scope_of
from quotas.queries import find_project
from scheduling.sharing.periods import Period, Span
from scheduling.sharing.usage_periods import title

NARROWING = ("user", "queue", "hardware", "node")
COLUMNS = (
    "gpu_hours", "cpu_hours", "cost", "attempts", "starts", "wait_median_seconds", "wait_p95_seconds",
    "gpu_utilisation", "cpu_utilisation", "idle_gpu_hours", "failed_gpu_hours_owner", "failed_cpu_hours_owner",
    "failed_gpu_hours_platform", "failed_cpu_hours_platform", "preempted_gpu_hours", "preempted_cpu_hours",
    "lost_gpu_hours", "lost_cpu_hours", "energy_kwh", "gpu_energy_kwh", "cpu_energy_kwh", "idle_held_gpu_hours",
    "freed_gpu_hours",
)  # fmt: skip


class UsageReportView(APIView):
    @extend_schema(operation_id="usage_report", parameters=[UsageQuery], responses=UsageReportOut)
    def get(self, request: Request) -> Response:
        """What your projects used, by project, user, queue, hardware, node or label, and by hour, day, week or month."""
        wanted = Wanted(caller(request), UsageQuery.read(request.query_params.dict()))
        found = wanted.report()
        return Response(
            UsageReportOut(
                {
                    "currency": settings.CURRENCY,
                    "since": wanted.since,
                    "until": wanted.until,
                    "time_zone": wanted.zone.key,
                    "group_by": wanted.asked["group_by"],
                    "period": wanted.asked.get("period"),
                    "rows": [wanted.row(one) for one in found.rows],
                    "left_off": found.left_off,
                    "total": figures(found.total),
                    "rolled_up_until": found.rolled_up_until,
                }
            ).data
        )


class UsageExportView(APIView):
    @extend_schema(
        operation_id="usage_export", parameters=[UsageQuery], responses={(200, "text/csv"): OpenApiTypes.STR}
    )
    def get(self, request: Request) -> HttpResponseBase:
        """The same as a table for spreadsheets. No cell is a formula, whatever somebody called their queue or label."""
        wanted = Wanted(caller(request), UsageQuery.read(request.query_params.dict()))
        rows = (
            (row["period"], cell(row["key"]), *(row[name] for name in COLUMNS), settings.CURRENCY)
            for row in map(wanted.row, wanted.report().rows)
        )
        return csv_answer("usage.csv", ("period", cell(wanted.asked["group_by"]), *COLUMNS, "currency"), rows)


class Wanted(Time):
    """What somebody asks, as far as they may see it."""

    def __init__(self, user: User, asked: dict[str, Any]) -> None:
        super().__init__(asked, Period.MONTH)
        project = find_project(user, asked["project"]) if "project" in asked else None
        named = {name: asked[name] for name in NARROWING if name in asked}
        self.scope = Scope(scope_of(user, project=project).projects, labels=asked.get("label", {}), **named)

    def spans(self) -> list[Span]:
        return self.split(self.asked.get("period"))

    def report(self) -> UsageReport:
        return report(self.scope, self.spans(), group_by=self.asked["group_by"], limit=self.asked["limit"])

    def row(self, one: Usage) -> dict[str, Any]:
        period = self.asked.get("period")
        named = title(period, self.zone, one.start.timestamp()) if period else None
        return {"key": one.key, "period": named, "period_start": one.start, **figures(one)}


def figures(one: Usage) -> dict[str, Any]:
    """The columns of a report."""
    by = {
        f"failed_{kind}_hours_{who}": one.hours(f"{who}_failed_{kind}")
        for kind in ("gpu", "cpu")
        for who in ("owner", "platform")
    }
    gave_way = {
        f"{name}_{kind}_hours": one.hours(f"{name}_{kind}") for name in ("preempted", "lost") for kind in ("gpu", "cpu")
    }
    known = [kwh for kwh in one.energy.values() if kwh is not None]
    return {
        "gpu_hours": one.hours("gpu"),
        "cpu_hours": one.hours("cpu"),
        "cost": one.amounts["cost"],
        "attempts": int(one.amounts["attempts"]),
        "starts": one.waits.starts,
        "wait_median_seconds": one.waits.median,
        "wait_p95_seconds": one.waits.p95,
        "gpu_utilisation": one.utilisation["gpu"],
        "cpu_utilisation": one.utilisation["cpu"],
        "idle_gpu_hours": one.idle_gpu_hours,
        **by,
        **gave_way,
        "energy_kwh": sum(known) if known else None,
        "gpu_energy_kwh": one.energy["gpu"],
        "cpu_energy_kwh": one.energy["cpu"],
        "idle_held_gpu_hours": one.idle_held_gpu_hours,
        "freed_gpu_hours": one.hours("freed_gpu"),
    }
