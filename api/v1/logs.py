"""What a job printed: a piece as JSON, all of it as text, or a stream of what comes."""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from itertools import chain
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpResponseBase, JsonResponse, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from api.http.permissions import caller, job_to_read
from api.http.shapes import StrictSerializer, Whole
from api.v1.log_seats import Seat, Seats
from jobs.logs import reader
from jobs.logs.follow import follow
from jobs.logs.gaps import CAUSES
from jobs.logs.reader import Piece
from jobs.models import Job
from jobs.submission import limits
from scheduling.errors import FieldError, InvalidError
from workers.runtime.log_reader import HELD_BACK

LONGEST_FOLLOW_SECONDS = 600
RECONNECT_MILLISECONDS = 1000
EVENT_ID = re.compile(r"([1-9][0-9]{0,8}):([0-9]{1,15})")
seats = Seats(settings.LOG_FOLLOWERS, settings.LOG_FOLLOWERS_PER_USER)


class LogQuery(StrictSerializer):
    attempt = Whole(2**31 - 1, least=1, required=False, help_text="Default: the latest.")
    rank = Whole(limits.NODES, default=0, help_text="Of a job over several nodes: which one's log.")
    offset = Whole(2**53, least=-(2**53), default=0, help_text="In bytes; negative: so many before the end.")
    limit = Whole(1024**2, least=4, default=reader.PIECE_BYTES, help_text="Bytes of one JSON answer.")
    follow = serializers.BooleanField(default=False, help_text="Stay, and send what comes until the attempt is over.")
    format = serializers.ChoiceField(["json", "text", "stream"], required=False, help_text="Instead of Accept.")


class LogGap(serializers.Serializer[Any]):
    offset = serializers.IntegerField(help_text="Of the line in the text that tells of it.")
    length = serializers.IntegerField(help_text="Of that line, in bytes.")
    missing = serializers.IntegerField(allow_null=True, help_text="Bytes that are missing here; null: nobody knows.")
    reason = serializers.CharField(help_text=", ".join([*CAUSES, HELD_BACK]))


class LogPiece(serializers.Serializer[Any]):
    attempt = serializers.IntegerField(allow_null=True)
    rank = serializers.IntegerField()
    offset = serializers.IntegerField()
    next_offset = serializers.IntegerField(help_text="Where the next request goes on.")
    text = serializers.CharField(help_text="What is no UTF-8 shows as replacement characters.")
    complete = serializers.BooleanField(help_text="The attempt is over, and nothing comes after this.")
    gaps = LogGap(many=True, help_text="What is missing from the log at this place.")


class AsText(BaseRenderer):
    media_type = "text/plain"
    format = "text"

    def render(self, data: Any, *args: Any, **kwargs: Any) -> Any:
        return data


class AsStream(AsText):
    media_type = "text/event-stream"
    format = "stream"


class LogsView(APIView):
    renderer_classes = (JSONRenderer, AsText, AsStream)

    @extend_schema(
        operation_id="jobs_logs",
        parameters=[LogQuery],
        responses={
            (200, "application/json"): LogPiece,
            (200, "text/plain"): OpenApiTypes.STR,
            (200, "text/event-stream"): OpenApiTypes.STR,
        },
    )
    def get(self, request: Request, job_id: int) -> HttpResponseBase:
        """What an attempt printed, from `offset` on.

        As JSON, one piece; as text/plain, everything. With `follow=1`, server-sent events: each carries a piece as
        JSON, and one of the type `end` says that the attempt is over. A stream that ends without it goes on from the
        last `next_offset`, or with the header Last-Event-ID, as browsers send it by themselves. What is missing has a
        line in the text that begins with `[trainyard:`, and an entry in `gaps`.
        """
        job = job_to_read(request, job_id)
        wanted = LogQuery.read(request.query_params)
        rank = wanted["rank"]
        reader.require_rank(job, rank)
        as_text = request.accepted_renderer.format == "text"
        if wanted["follow"]:
            wanted |= _resumed(request.headers.get("Last-Event-ID", ""))
        attempt = reader.attempt_of(job, wanted.get("attempt"))
        if wanted["follow"]:
            return _stream(job, caller(request), wanted, as_text=as_text)
        if as_text:
            return _whole(reader.pieces(attempt, wanted["offset"], rank=rank) if attempt else iter(()))
        if attempt is None:
            return JsonResponse(LogPiece(reader.empty_piece(job, rank)).data)
        return JsonResponse(LogPiece(reader.read(attempt, wanted["offset"], wanted["limit"], rank=rank)).data)


def _resumed(event_id: str) -> dict[str, int]:
    """Where a stream broke off, from the id of its last event."""
    if not event_id:
        return {}
    found = EVENT_ID.fullmatch(event_id)
    if found is None:
        raise InvalidError([FieldError("Last-Event-ID", "This is not the id of an event of a log: ATTEMPT:OFFSET.")])
    return {"attempt": int(found[1]), "offset": int(found[2])}


def _whole(pieces: Iterator[bytes]) -> StreamingHttpResponse:
    first = next(pieces, b"")  # what can go wrong does so before the answer has begun
    return StreamingHttpResponse(chain([first], pieces), content_type="text/plain; charset=utf-8")


def _stream(job: Job, user: User, wanted: dict[str, Any], *, as_text: bool) -> StreamingHttpResponse:
    pieces = follow(
        job, wanted.get("attempt"), wanted["offset"],
        seconds=LONGEST_FOLLOW_SECONDS, rank=wanted["rank"], user_id=user.pk,
    )  # fmt: skip
    media_type = "text/plain" if as_text else "text/event-stream"
    chunks = (piece.text if piece else "" for piece in pieces) if as_text else _events(job, pieces)
    response = StreamingHttpResponse(Seat(chunks, seats, user.pk), content_type=f"{media_type}; charset=utf-8")
    response.headers["Cache-Control"] = "no-cache"
    response.headers["X-Accel-Buffering"] = "no"  # or a proxy would keep it until it is complete
    return response


def _events(job: Job, pieces: Iterator[Piece | None]) -> Iterator[str]:
    """Server-sent events. A comment now and then finds out whether anybody still listens."""
    yield f"retry: {RECONNECT_MILLISECONDS}\n: here is the log\n\n"
    for piece in pieces:
        if piece is None:
            yield ": still here\n\n"
            continue
        if piece.text:
            yield f"id: {piece.attempt}:{piece.next_offset}\ndata: {json.dumps(asdict(piece))}\n\n"
        if piece.complete:
            yield f"event: end\ndata: {json.dumps(_end(job, piece))}\n\n"


def _end(job: Job, piece: Piece) -> dict[str, Any]:
    job.refresh_from_db(fields=["state", "exit_code", "end_reason"])
    return {"attempt": piece.attempt, "state": job.state, "exit_code": job.exit_code, "end_reason": job.end_reason}
