"""GET /system."""

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.v1.system.report import report
from api.v1.system.shapes import SystemOut


class SystemView(APIView):
    permission_classes = (IsAdminUser,)

    @extend_schema(operation_id="system", responses=SystemOut)
    def get(self, request: Request) -> Response:
        """How the platform itself is, for staff: versions, queues of the broker, clockwork, audits, nodes, database, settings."""
        return Response(SystemOut(report()).data)
