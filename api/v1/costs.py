"""Prices, and what was paid."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from itertools import islice

import django_filters as filters
from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.http.csv_tables import cell, csv_answer
from api.http.permissions import StaffWrites, caller
from api.v1.shapes.costs import MOST_SHOWN, CostsOut, CostsQuery, PriceChange, PriceIn, PriceOut
from jobs.costs import so_far
from quotas.clock import database_now
from quotas.costs import prices
from quotas.costs.reports import Costs, GroupBy, Report, Scope, every_group, report, scope_of
from quotas.models import Price
from quotas.queries import find_project
from scheduling.errors import FieldError, InvalidError
from scheduling.sharing.prices import MICROSECOND, Target

COLUMNS = ("settled", "refunded", "cost", "placements")


class PriceFilter(filters.FilterSet):
    target = filters.ChoiceFilter(choices=[(one.value, one.value) for one in Target], help_text="Of this kind.")
    name = filters.CharFilter(help_text="Of this node, node type or GPU model.")
    valid_at = filters.IsoDateTimeFilter(method="get_valid", help_text="Those that are valid then.")

    def get_valid(self, rows: QuerySet[Price], name: str, value: datetime) -> QuerySet[Price]:
        return rows.filter(Q(valid_to__isnull=True) | Q(valid_to__gt=value), valid_from__lte=value)


class PricesView(GenericAPIView[Price]):
    queryset = Price.objects.all()
    serializer_class = PriceOut
    permission_classes = (IsAuthenticated, StaffWrites)
    filterset_class = PriceFilter
    orderings = {"id": "id", "-id": "-id"}

    @extend_schema(operation_id="prices_list", responses=PriceOut(many=True))
    def get(self, request: Request) -> Response:
        """What things cost, cost, and will cost."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(PriceOut(page, many=True).data)

    @extend_schema(operation_id="prices_create", request=PriceIn, responses={201: PriceOut}, filters=False)
    @transaction.atomic
    def post(self, request: Request) -> Response:
        """Set a price, by staff. Of one thing only one price is valid at a time: end the one before it first."""
        wanted = prices.PriceRequest(**PriceIn.read(request.data))
        return Response(PriceOut(prices.set_price(wanted, caller(request))).data, status=201)


class PriceView(APIView):
    permission_classes = (IsAuthenticated, StaffWrites)

    @extend_schema(operation_id="prices_retrieve", responses=PriceOut)
    def get(self, request: Request, price_id: int) -> Response:
        """One price."""
        return Response(PriceOut(prices.find_price(price_id)).data)

    @extend_schema(operation_id="prices_change", request=PriceChange, responses=PriceOut)
    @transaction.atomic
    def patch(self, request: Request, price_id: int) -> Response:
        """End a price, now or later, by staff. What it was until then stays."""
        wanted = PriceChange.read(request.data)
        return Response(PriceOut(prices.end_price(price_id, caller(request), wanted["valid_to"])).data)

    @extend_schema(operation_id="prices_delete", request=None, responses={204: None})
    @transaction.atomic
    def delete(self, request: Request, price_id: int) -> Response:
        """Forget a price that is not valid yet, by staff."""
        prices.remove_price(price_id, caller(request))
        return Response(status=204)


class CostsView(APIView):
    @extend_schema(operation_id="costs_report", parameters=[CostsQuery], responses=CostsOut)
    def get(self, request: Request) -> Response:
        """What your projects paid for what ended in a period, by project, user, batch, job, node, day or month."""
        wanted = _Wanted(request)
        found = wanted.report()
        return Response(
            CostsOut(
                {
                    "currency": settings.CURRENCY,
                    "since": wanted.since,
                    "until": wanted.until,
                    "group_by": wanted.group_by,
                    "groups": [asdict(group) for group in found.groups],
                    "left_off": found.left_off,
                    "total": asdict(found.total),
                    "accrued": None if wanted.is_past else so_far.accrued_in(wanted.scope),
                }
            ).data
        )


class CostsExportView(APIView):
    @extend_schema(
        operation_id="costs_export", parameters=[CostsQuery], responses={(200, "text/csv"): OpenApiTypes.STR}
    )
    def get(self, request: Request) -> HttpResponseBase:
        """The same as a table for spreadsheets, of all groups unless there is a limit. No cell is a formula, whatever it says."""
        wanted = _Wanted(request)
        rows = (
            (cell(group.key), *(getattr(group, name) for name in COLUMNS), settings.CURRENCY)
            for group in wanted.groups()
        )
        return csv_answer("costs.csv", (wanted.group_by, *COLUMNS, "currency"), rows)


class _Wanted:
    """What somebody asks of the ledger, as far as they may see it."""

    def __init__(self, request: Request) -> None:
        asked = CostsQuery.read(request.query_params.dict())
        user, now = caller(request), database_now()
        project = find_project(user, asked["project"]) if "project" in asked else None
        named = {name: asked[name] for name in ("user", "batch", "job") if name in asked}
        self.scope: Scope = scope_of(user, project=project, **named)
        self.is_past = "until" in asked
        self.until: datetime = asked.get("until", now)
        month = (self.until - MICROSECOND).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        self.since: datetime = asked.get("since", month)
        self.group_by = GroupBy(asked["group_by"])
        self.limit: int | None = asked.get("limit")
        if self.since >= self.until:
            raise InvalidError([FieldError("until", "Must lie after since.", "order")])

    def report(self) -> Report:
        limit = self.limit or MOST_SHOWN
        return report(self.scope, since=self.since, until=self.until, group_by=self.group_by, limit=limit)

    def groups(self) -> Iterator[Costs]:
        """So many as are wanted, of a table all."""
        found = every_group(self.scope, since=self.since, until=self.until, group_by=self.group_by)
        return islice(found, self.limit)
