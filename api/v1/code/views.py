"""Snapshots of code: made from a manifest, uploaded in pieces, found. See docs/decisions/0046-code-travels-by-hash.md."""

from typing import IO, Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.http.permissions import caller
from api.v1.code.shapes import LimitsOut, SnapshotDetail, SnapshotIn, SnapshotOut, StoredOut, detail
from jobs.code import blobs, snapshots
from quotas.queries import find_project

BYTES = "application/octet-stream"


class ByteStream(BaseParser):
    """A body that is read piece by piece."""

    media_type = BYTES

    def parse(self, stream: IO[Any], media_type: str | None = None, parser_context: Any = None) -> Any:
        return stream


class SnapshotsView(APIView):
    @extend_schema(
        operation_id="snapshots_create", request=SnapshotIn, responses={201: SnapshotDetail, 200: SnapshotDetail}
    )
    def post(self, request: Request) -> Response:
        """Say what a folder consists of, and learn which blobs are to be uploaded. Of a folder that is known already: 200."""
        wanted = SnapshotIn.read(request.data)
        project = find_project(caller(request), wanted["project"])
        origin = snapshots.GitOrigin(**wanted.get("git", {}))
        made = snapshots.create(project=project, user=caller(request), files=wanted["files"], origin=origin)
        return Response(detail(made.snapshot, made.missing), status=201 if made.new else 200)


class SnapshotLimitsView(APIView):
    @extend_schema(operation_id="snapshots_limits", responses=LimitsOut)
    def get(self, request: Request) -> Response:
        """What a snapshot may be here."""
        return Response(snapshots.limits())


class SnapshotView(APIView):
    @extend_schema(operation_id="snapshots_retrieve", responses=SnapshotDetail)
    def get(self, request: Request, snapshot_id: int) -> Response:
        """One snapshot, and what of it is still to be uploaded."""
        snapshot = snapshots.find(caller(request), snapshot_id)
        complete = snapshot.complete_at is not None
        lacked = [] if complete else snapshots.missing(snapshot, snapshots.blobs_of(snapshot))
        return Response(detail(snapshot, lacked))


class SnapshotBlobsView(APIView):
    parser_classes = (ByteStream,)

    @extend_schema(operation_id="snapshots_upload", request={BYTES: OpenApiTypes.BINARY}, responses=StoredOut)
    def put(self, request: Request, snapshot_id: int) -> Response:
        """Upload blobs that are missing: a first line of JSON, [["SHA-256", size], ...], then their contents in this order.

        At most 8 MiB of contents a request, all of them taken or none. What is sent again changes nothing.
        """
        snapshot = snapshots.find(caller(request), snapshot_id, to_upload=True)
        body: Any = request.data
        return Response({"stored": blobs.store(snapshot, snapshots.blobs_of(snapshot), body)})


class SnapshotCompleteView(APIView):
    @extend_schema(operation_id="snapshots_complete", request=None, responses=SnapshotOut)
    def post(self, request: Request, snapshot_id: int) -> Response:
        """All blobs are uploaded: from now on jobs may name it. While any is missing: 409."""
        snapshot = snapshots.find(caller(request), snapshot_id, to_upload=True)
        return Response(SnapshotOut(snapshots.complete(snapshot)).data)
