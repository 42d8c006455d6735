"""What the attempts of a job left: listed, downloaded, marked to be kept."""

import re
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

from django.db.models import Q
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.http.permissions import caller, job_to_control, job_to_read
from api.http.problems import Problem
from api.v1.outputs.ranges import NotSatisfiableError, span_of
from api.v1.outputs.shapes import FileQuery, FilesQuery, KeepIn, KeepOut, KeptFileOut, OutputsOut
from jobs.models import KeptFile
from jobs.outputs import keeping, reading
from scheduling.errors import NotFoundError, UnavailableError

BYTES = "application/octet-stream"


class OutputsView(APIView):
    @extend_schema(operation_id="jobs_outputs", parameters=[FilesQuery], responses=OutputsOut)
    def get(self, request: Request, job_id: int) -> Response:
        """The outputs and checkpoints that an attempt left, by default the last one that left any."""
        job = job_to_read(request, job_id)
        wanted = FilesQuery.read(request.query_params)
        attempt = reading.attempt_of(job, wanted.get("attempt"))
        files = reading.files_of(attempt)
        if "kind" in wanted:
            files = files.filter(kind=wanted["kind"])
        if prefix := wanted.get("prefix", "").rstrip("/"):
            files = files.filter(Q(path=prefix) | Q(path__startswith=f"{prefix}/"))
        some = list(files.filter(pk__gt=wanted.get("after", 0))[: wanted["limit"] + 1])
        more = len(some) > wanted["limit"]
        some = some[: wanted["limit"]]
        found = reading.summary(attempt)
        context = {"job": job.pk, "attempt": found.attempt}
        answer = {
            "job": job.pk, "attempt": found.attempt, "state": found.state, "keep": job.keep_outputs,
            "count": found.files, "size": found.size, "left_out": found.left_out,
            "left_out_bytes": found.left_out_bytes, "message": found.message,
            "files": KeptFileOut(some, many=True, context=context).data, "next": some[-1].pk if more else None,
        }  # fmt: skip
        return Response(answer)

    @extend_schema(operation_id="jobs_outputs_keep", request=KeepIn, responses=KeepOut)
    def patch(self, request: Request, job_id: int) -> Response:
        """Keep what the job's attempts left for as long as the job is kept, or as the rules on age have it."""
        job = job_to_control(request, job_id)
        keep = KeepIn.read(request.data)["keep"]
        keeping.set_keep(job, keep=keep, actor=caller(request).get_username())
        return Response({"job": job.pk, "keep": keep})


class AsBytes(BaseRenderer):
    """So that who accepts bytes alone is not turned away; problems come as documents all the same."""

    media_type = BYTES
    format = "bytes"

    def render(self, data: Any, *args: Any, **kwargs: Any) -> Any:
        return data


class OutputFileView(APIView):
    renderer_classes = (JSONRenderer, AsBytes)

    @extend_schema(
        operation_id="jobs_outputs_download",
        parameters=[
            FileQuery,
            OpenApiParameter("Range", str, OpenApiParameter.HEADER, description="One range of bytes."),
            OpenApiParameter("format", exclude=True),
        ],
        responses={(200, BYTES): OpenApiTypes.BINARY, (206, BYTES): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, job_id: int, path: str) -> HttpResponseBase:
        """The content of one file, or with `Range` a part of it. Its ETag is its SHA-256."""
        job = job_to_read(request, job_id)
        wanted = FileQuery.read(request.query_params)
        attempt = reading.attempt_of(job, wanted.get("attempt"))
        file = reading.find_file(job, attempt, wanted["kind"], path)
        return download(request, file)


def download(request: Any, file: KeptFile) -> HttpResponseBase:
    """The answer with its bytes, as it was asked for."""
    etag = f'"{file.sha256}"'
    whole = HttpResponse(headers={"ETag": etag})
    unchanged = get_conditional_response(request, etag=etag, response=whole)
    if unchanged is not None and unchanged is not whole:
        return unchanged
    headers = {
        "ETag": etag, "Accept-Ranges": "bytes", "X-Content-Type-Options": "nosniff",
        "Content-Disposition": content_disposition_header(as_attachment=True, filename=_file_name(file)) or "attachment",
        "Cache-Control": "private, no-cache", "X-Accel-Buffering": "no",
    }  # fmt: skip
    same = request.headers.get("If-Range", etag) == etag
    try:
        span = span_of(request.headers.get("Range", ""), file.size) if same else None
    except NotSatisfiableError:
        words = f"It has {file.size} bytes: ask for some of these."
        return Problem(416, words, headers={"ETag": etag, "Content-Range": f"bytes */{file.size}"}).answer(request)
    start, size = span or (0, file.size)
    if span is not None:
        headers["Content-Range"] = f"bytes {start}-{start + size - 1}/{file.size}"
    headers["Content-Length"] = str(size)
    pieces = first_try(reading.content(file, start, size))
    return StreamingHttpResponse(pieces, status=206 if span else 200, content_type=BYTES, headers=headers)


def _file_name(file: KeptFile) -> str:
    """What a browser calls it; no line of a header ends in it."""
    return re.sub(r"[\x00-\x1f\x7f]", "_", file.path.rpartition("/")[2])


def first_try(pieces: Iterator[bytes], count: int = 1) -> Iterator[bytes]:
    """What can go wrong at once does so before the answer has begun."""
    try:
        first = list(islice(pieces, count))
    except FileNotFoundError as error:
        raise NotFoundError("Its content is not in the storage any more.") from error
    except OSError as error:
        raise UnavailableError("The storage does not answer at the moment.") from error
    return chain(first, pieces)
