"""What attempts left, as their agents bring it: whoever knows the token of a placement, also for days after its end."""

from typing import Any

from django.http import HttpResponseBase, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.v1.code.shapes import StoredOut, WantedIn
from api.v1.code.views import ByteStream
from api.v1.outputs.shapes import BeginningOut, BeginningQuery, CompleteIn, ListedIn, MissingOut, UploadOut
from api.v1.outputs.views import first_try
from jobs.models import KeptOutputs
from jobs.outputs import bringing, taking

BYTES = "application/octet-stream"
SCHEME = "Placement "


def token_of(request: Request) -> str:
    said = request.headers.get("Authorization", "")
    return said.removeprefix(SCHEME) if said.startswith(SCHEME) else ""


class ForAgents(APIView):
    """Without a user: a placement's token is known to its agent and the platform."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()


class PlacementOutputsView(ForAgents):
    @extend_schema(operation_id="placements_outputs", responses=UploadOut)
    def get(self, request: Request, placement_id: int) -> Response:
        """How much is kept of what a placement left, for its agent: `Authorization: Placement TOKEN`. 404: nothing more."""
        return Response(taking.limits(_kept(request, placement_id)))

    @extend_schema(operation_id="placements_outputs_files", request=ListedIn, responses=MissingOut)
    def post(self, request: Request, placement_id: int) -> Response:
        """Write down files, once all that they hold is here; and learn which blobs are not."""
        kept = _kept(request, placement_id)
        files, wanted = ListedIn.read(request.data)
        return Response({"missing": taking.add_files(kept, files, wanted)})


class PlacementOutputBlobsView(ForAgents):
    parser_classes = (ByteStream,)

    @extend_schema(operation_id="placements_outputs_upload", request={BYTES: OpenApiTypes.BINARY}, responses=StoredOut)
    def put(self, request: Request, placement_id: int) -> Response:
        """Blobs of them, as PUT /snapshots/{id}/blobs takes them."""
        body: Any = request.data
        return Response({"stored": taking.store(_kept(request, placement_id), body)})


class PlacementOutputsCompleteView(ForAgents):
    @extend_schema(operation_id="placements_outputs_complete", request=CompleteIn, responses={204: None})
    def post(self, request: Request, placement_id: int) -> Response:
        """That was all of it; `left_out` files could not be kept."""
        taking.complete(_kept(request, placement_id), **CompleteIn.read(request.data))
        return Response(status=204)


class PlacementBeginningView(ForAgents):
    @extend_schema(operation_id="placements_beginning", parameters=[BeginningQuery], responses=BeginningOut)
    def get(self, request: Request, placement_id: int) -> Response:
        """What a placement is to begin with, for its agent: its job's last checkpoint, and outputs of other jobs."""
        only_kept = BeginningQuery.read(request.query_params)["only_kept"]
        return Response(bringing.beginning(bringing.find(placement_id, token_of(request)), only_kept=only_kept))

    @extend_schema(
        operation_id="placements_beginning_blobs",
        request=WantedIn,
        responses={(200, BYTES): OpenApiTypes.BINARY},
    )
    def post(self, request: Request, placement_id: int) -> HttpResponseBase:
        """These blobs of it, as PUT /snapshots/{id}/blobs takes them, in an order of their own."""
        placement = bringing.find(placement_id, token_of(request))
        found = bringing.blobs_for(placement, set(WantedIn.read(request.data)["blobs"]))
        return StreamingHttpResponse(first_try(bringing.stream(found), 2), content_type=BYTES)


def _kept(request: Request, placement_id: int) -> KeptOutputs:
    return taking.find(placement_id, token_of(request))
