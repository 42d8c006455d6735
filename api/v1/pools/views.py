"""Pools: read by everybody who is signed in and by other autoscalers, set by staff."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.http.permissions import StaffWrites
from api.v1.pools.shapes import PoolChange, PoolIn, PoolOut, columns
from jobs.control import pools
from workers.models import NodePool


def described(pool: NodePool, request: Request) -> Any:
    """As staff see it; who is no staff is not told the operator's commands."""
    shown = PoolOut(pool).data
    return shown if request.user.is_staff else {**shown, "actuator_settings": {}, "fault": ""}


class PoolsView(GenericAPIView[NodePool]):
    queryset = NodePool.objects.none()
    serializer_class = PoolOut
    permission_classes = (IsAuthenticated, StaffWrites)
    orderings = {"name": "name", "-name": "-name"}

    def get_queryset(self) -> QuerySet[NodePool]:
        return NodePool.objects.all()

    @extend_schema(operation_id="pools_list", responses=PoolOut(many=True))
    def get(self, request: Request) -> Response:
        """The pools of nodes: what each may have, and is to have now."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        return self.get_paginated_response([described(pool, request) for pool in page])

    @extend_schema(operation_id="pools_create", request=PoolIn, responses={201: PoolOut}, filters=False)
    def post(self, request: Request) -> Response:
        """A new pool, by staff."""
        return Response(described(pools.create(columns(PoolIn.read(request.data))), request), status=201)


class PoolView(APIView):
    permission_classes = (IsAuthenticated, StaffWrites)

    @extend_schema(operation_id="pools_retrieve", responses=PoolOut)
    def get(self, request: Request, name: str) -> Response:
        """One pool. KEDA's scaler metrics-api reads `desired_nodes` here."""
        return Response(described(pools.find_pool(name), request))

    @extend_schema(operation_id="pools_change", request=PoolChange, responses=PoolOut)
    def patch(self, request: Request, name: str) -> Response:
        """Change a pool, by staff: its bounds, its pace, who acts for it; pause it."""
        return Response(described(pools.change(name, columns(PoolChange.read(request.data))), request))

    @extend_schema(operation_id="pools_delete", request=None, responses={204: None})
    def delete(self, request: Request, name: str) -> Response:
        """Forget a pool, by staff; its nodes stay. One that is being scaled has to be paused first."""
        pools.remove(name)
        return Response(status=204)
