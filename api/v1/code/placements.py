"""Code as the agents of placements fetch it: whoever knows the token of an open placement gets what that placement runs."""

import secrets
from collections.abc import Iterator
from itertools import chain, islice

from django.http import HttpResponseBase, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.v1.code.shapes import PlacementCodeOut, WantedIn
from jobs.code import blobs, snapshots
from jobs.models import CodeSnapshot, Placement
from scheduling.errors import NotFoundError, UnavailableError

SCHEME = "Placement "


class PlacementCodeView(APIView):
    """Without a user: a placement's token is known to its agent and the platform, and is worth nothing once it is closed."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()

    @extend_schema(operation_id="placements_code", responses=PlacementCodeOut)
    def get(self, request: Request, placement_id: int) -> Response:
        """The files of the code that the placement runs, for its agent: `Authorization: Placement TOKEN`."""
        snapshot = _snapshot(request, placement_id)
        origin = snapshots.GitOrigin.of(snapshot).digest
        return Response({"digest": snapshot.digest, "origin": origin, "files": snapshots.files_of(snapshot)})

    @extend_schema(
        operation_id="placements_code_blobs",
        request=WantedIn,
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY},
    )
    def post(self, request: Request, placement_id: int) -> HttpResponseBase:
        """These blobs of it, as PUT /snapshots/{id}/blobs takes them, in an order of their own."""
        snapshot = _snapshot(request, placement_id)
        wanted = set(WantedIn.read(request.data)["blobs"])
        if not wanted <= snapshots.blobs_of(snapshot).keys():
            raise NotFoundError("Some of these blobs are no part of what the placement runs.")
        return StreamingHttpResponse(_first_try(blobs.stream(blobs.locate(snapshot.project_id, wanted))),
                                     content_type="application/octet-stream")  # fmt: skip


def _snapshot(request: Request, placement_id: int) -> CodeSnapshot:
    """Raises NotFoundError for whoever does not know the token: which placements there are is nobody's to find out."""
    said = request.headers.get("Authorization", "")
    token = said.removeprefix(SCHEME) if said.startswith(SCHEME) else ""
    rows = Placement.objects.filter(pk=placement_id, closed_at=None, attempt__job__snapshot__isnull=False)
    found = rows.values_list("attempt__token", "attempt__job__snapshot").first()
    if found is None or not secrets.compare_digest(str(found[0]).encode(), token.encode(errors="replace")):
        raise NotFoundError("There is no code for this placement and this token.")
    return CodeSnapshot.objects.defer("manifest", "blobs", "diff").get(pk=found[1])


def _first_try(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """What can go wrong at once does so before the answer has begun."""
    try:
        first = list(islice(pieces, 2))
    except OSError as error:
        raise UnavailableError("The storage of code does not answer at the moment.") from error
    return chain(first, pieces)
