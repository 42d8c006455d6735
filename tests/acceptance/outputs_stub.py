"""Outputs over REST, as far as the client for Python reads them: an answer of the same shape, read from the nodes' folders.

For a site that has no outputs of its own yet; where it has, nothing of this is used.
"""

from pathlib import Path

from django.conf import settings
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from jobs.models import Job
from scheduler_site.urls import *  # noqa: F403
from scheduler_site.urls import urlpatterns as of_the_site


def folder(job_id: int, attempt: int) -> Path:
    home: Path = settings.OUTPUTS_OF_NODES  # type: ignore[misc]  # a setting of the test
    own = [*home.glob(f"nodes/*/jobs/{job_id}"), home / "jobs" / str(job_id)]
    return own[0] / "outputs" / str(attempt)


def listed(request: HttpRequest, job_id: int) -> JsonResponse:
    attempt = int(request.GET.get("attempt") or Job.objects.get(pk=job_id).attempt)
    top = folder(job_id, attempt)
    files = [
        {"kind": "output", "path": str(one.relative_to(top)), "size": one.stat().st_size, "sha256": "", "executable": False,
         "link": "", "state": "kept", "message": "", "url": None}
        for one in sorted(top.rglob("*")) if one.is_file()
    ]  # fmt: skip
    state = "kept" if files else "none"
    return JsonResponse({"job": job_id, "attempt": attempt, "state": state, "files": files, "next": None})


def file(request: HttpRequest, job_id: int, path: str) -> FileResponse | HttpResponse:
    found = folder(job_id, int(request.GET["attempt"])) / path
    if not found.is_file():
        raise Http404
    return FileResponse(found.open("rb"))


urlpatterns = [
    path("api/v1/jobs/<int:job_id>/outputs", listed),
    path("api/v1/jobs/<int:job_id>/outputs/<path:path>", file),
    *of_the_site,
]
