"""Who was entitled to what, and received it or not."""

from dataclasses import asdict
from typing import Any

from django.contrib.auth.models import User
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.http.permissions import caller
from api.v1.shapes.fairness import FairnessOut, FairnessQuery
from api.v1.usage.time import Time
from jobs.usage.fairness import statement
from quotas.costs.reports import scope_of
from quotas.queries import find_project
from scheduling.sharing.periods import Period
from scheduling.sharing.usage_periods import title

MOST_WEEKS = 53


class FairnessView(APIView):
    @extend_schema(operation_id="usage_fairness", parameters=[FairnessQuery], responses=FairnessOut)
    def get(self, request: Request) -> Response:
        """What your projects or their users were entitled to in each week, received, lent, borrowed and waited for, and why."""
        return Response(FairnessOut(found_for(caller(request), FairnessQuery.read(request.query_params.dict()))).data)


def found_for(user: User, asked: dict[str, Any]) -> dict[str, Any]:
    """The statement, as far as the user may see it."""
    project = find_project(user, asked["project"]) if "project" in asked else None
    time = Time(asked, Period.WEEK)
    weeks = statement(
        time.split(Period.WEEK, most=MOST_WEEKS),
        group_by=asked["group_by"],
        seen=scope_of(user, project=project).projects,
        user=asked.get("user"),
    )
    named = [{"week": title(Period.WEEK, time.zone, week.start.timestamp()), **asdict(week)} for week in weeks]
    known = {"since": time.since, "until": time.until, "time_zone": time.zone.key, "group_by": asked["group_by"]}
    return {**known, "weeks": named}
