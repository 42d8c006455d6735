"""Clusters: read by everybody who is signed in, changed and given up by staff."""

from typing import Any

from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Now
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.http.permissions import StaffWrites, caller
from api.http.shapes import Nothing
from api.v1.clusters.shapes import ClusterChange, ClusterOut, LossOut
from jobs.control import cluster_loss
from workers.models import Cluster, Node


def clusters() -> QuerySet[Any]:
    """Each with the database's `now`, its nodes and the jobs on them counted."""
    there = Q(nodes__removed_at__isnull=True)
    held = Q(nodes__placements__closed_at__isnull=True)
    return Cluster.objects.annotate(
        now=Now(),
        known_nodes=Count("nodes", there, distinct=True),
        up_nodes=Count("nodes", there & Q(nodes__state=Node.State.UP), distinct=True),
        running_jobs=Count("nodes__placements__attempt", held, distinct=True),
    )


def described(name: str) -> Any:
    cluster_loss.find_cluster(name)
    return ClusterOut(clusters().get(name=name)).data


class ClustersView(GenericAPIView[Cluster]):
    queryset = Cluster.objects.none()
    serializer_class = ClusterOut
    orderings = {"name": "name", "-name": "-name"}

    def get_queryset(self) -> QuerySet[Any]:
        return clusters()

    @extend_schema(operation_id="clusters_list", responses=ClusterOut(many=True))
    def get(self, request: Request) -> Response:
        """The clusters that run jobs by their own means: whether each answers, and what it has of ours."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(ClusterOut(page, many=True).data)


class ClusterView(APIView):
    permission_classes = (IsAuthenticated, StaffWrites)

    @extend_schema(operation_id="clusters_retrieve", responses=ClusterOut)
    def get(self, request: Request, name: str) -> Response:
        """One cluster."""
        return Response(described(name))

    @extend_schema(operation_id="clusters_change", request=ClusterChange, responses=ClusterOut)
    def patch(self, request: Request, name: str) -> Response:
        """Set the container image of jobs that name none, by staff."""
        Cluster.objects.filter(name=name).update(**ClusterChange.read(request.data))
        return Response(described(name))


class DeclareLostView(APIView):
    permission_classes = (IsAuthenticated, StaffWrites)

    @extend_schema(operation_id="clusters_declare_lost", request=None, responses=LossOut)
    def post(self, request: Request, name: str) -> Response:
        """Declare a silent cluster gone for good, by staff: all that runs there ends as `node_lost`.

        Until somebody says so it is only silent, and its jobs are left alone. Refused while it answers.
        """
        Nothing.read(request.data)
        return Response(LossOut({"ended": cluster_loss.declare_lost(name, caller(request).get_username())}).data)
