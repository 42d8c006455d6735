"""Reservations: nodes kept for a project, or for maintenance."""

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.http.fields import MomentField
from api.http.permissions import StaffWrites, caller
from api.http.shapes import StrictSerializer, Text
from jobs.models.planning import Reservation, reservation_name_validator
from jobs.planning import reservations

MOST_NODES = 10_000


class ReservationIn(StrictSerializer):
    name = serializers.CharField(max_length=63, validators=[reservation_name_validator])
    nodes = serializers.ListField(child=Text(63), allow_empty=False, max_length=MOST_NODES, help_text="Their names.")
    start = MomentField()
    end = MomentField()
    project = Text(63, required=False, allow_null=True, help_text="Without one: maintenance, nobody's jobs run.")


class ReservationOut(serializers.ModelSerializer[Reservation]):
    nodes = serializers.SlugRelatedField("name", many=True, read_only=True)  # type: ignore[var-annotated]  # generic for mypy alone
    project = serializers.CharField(source="project.slug", default=None, allow_null=True)
    created_by = serializers.CharField(source="created_by.username", default=None, allow_null=True)

    class Meta:
        model = Reservation
        fields = ("name", "nodes", "start", "end", "project", "created_by", "created_at")


class ReservationsView(GenericAPIView[Reservation]):
    queryset = Reservation.objects.none()
    serializer_class = ReservationOut
    permission_classes = (IsAuthenticated, StaffWrites)
    orderings = {"start": "start", "-start": "-start", "name": "name", "-name": "-name"}

    def get_queryset(self) -> QuerySet[Reservation]:
        return reservations.visible_reservations(caller(self.request))

    @extend_schema(operation_id="reservations_list", responses=ReservationOut(many=True))
    def get(self, request: Request) -> Response:
        """Nodes that are kept for your projects, and all maintenance; what is over too."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(ReservationOut(page, many=True).data)

    @extend_schema(operation_id="reservations_create", request=ReservationIn, responses={201: ReservationOut})
    @transaction.atomic
    def post(self, request: Request) -> Response:
        """Keep nodes for a project, or for maintenance, by staff."""
        wanted = reservations.ReservationRequest(**ReservationIn.read(request.data))
        return Response(ReservationOut(reservations.reserve(wanted, caller(request))).data, status=201)


class ReservationView(APIView):
    permission_classes = (IsAuthenticated, StaffWrites)

    @extend_schema(operation_id="reservations_retrieve", responses=ReservationOut)
    def get(self, request: Request, name: str) -> Response:
        """One reservation."""
        return Response(ReservationOut(reservations.find_reservation(caller(request), name)).data)

    @extend_schema(operation_id="reservations_delete", request=None, responses={204: None})
    @transaction.atomic
    def delete(self, request: Request, name: str) -> Response:
        """Give the nodes back, by staff."""
        actor = caller(request)
        reservations.remove(reservations.find_reservation(actor, name), actor)
        return Response(status=204)
