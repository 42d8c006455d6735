"""The pages with the forms, reached from the page of a job."""

from collections.abc import Callable
from typing import Any, cast

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from rest_framework.exceptions import ValidationError

from api.http.problems import field_errors
from api.v1.shapes.changes import CloneIn, JobChange
from api.v1.shapes.jobs import unfolded
from console.admin.editing.change_forms import CloneForm, EditForm
from jobs.editing.clone import clone
from jobs.editing.edit import edit
from jobs.models import Job
from scheduling.errors import InvalidError, TrainyardError


def urls(model_admin: "ModelAdmin[Job]") -> list[URLPattern]:
    """The addresses of both forms."""
    pages = (("edit", _page(model_admin, EditForm, _edited)), ("clone", _page(model_admin, CloneForm, _cloned)))
    return [path(f"<int:job_id>/{name}/", view, name=f"jobs_job_{name}") for name, view in pages]


def _page(
    model_admin: "ModelAdmin[Job]", kind: type[EditForm], done: Callable[[HttpRequest, Job, EditForm], Job]
) -> Callable[..., HttpResponseBase]:
    """The form, and with it answered what becomes of the job."""
    title, answer = ("Clone job {}, with changes", "Submit") if kind is CloneForm else ("Edit job {}", "Save")

    def look(request: HttpRequest, job_id: int) -> HttpResponse:
        if not request.user.has_perm("jobs.change_job"):
            raise PermissionDenied
        job = get_object_or_404(Job.objects.select_related("project", "queue", "owner"), pk=job_id)
        form = kind(job, request.POST or None)
        if form.is_valid() and (after := _tried(request, job, form, done)) is not None:
            return HttpResponseRedirect(reverse("admin:jobs_job_change", args=[after.pk]))
        shown = {
            "opts": model_admin.opts, "title": title.format(job.pk), "job": job, "form": form, "answer": answer,
        }  # fmt: skip
        return TemplateResponse(
            request, "console/job_differently.html", {**model_admin.admin_site.each_context(request), **shown}
        )

    return model_admin.admin_site.admin_view(look)


def _tried(
    request: HttpRequest, job: Job, form: EditForm, done: Callable[[HttpRequest, Job, EditForm], Job]
) -> Job | None:
    """What `done` answers; None where the form now says why it was refused."""
    try:
        with transaction.atomic():
            return done(request, job, form)
    except ValidationError as refused:
        form.refuse(field_errors(refused.detail))
    except InvalidError as refused:
        form.refuse(refused.errors)
    except TrainyardError as refused:
        form.add_error(None, str(refused))
    return None


def _edited(request: HttpRequest, job: Job, form: EditForm) -> Job:
    changes = unfolded(JobChange.read(form.said()))
    reason = changes.pop("reason", "")
    after = edit(job_id=job.pk, user=cast("User", request.user), changes=changes, reason=reason)
    messages.success(request, f"Job {job.pk} was changed." if changes else f"Nothing of job {job.pk} was changed.")
    return after


def _cloned(request: HttpRequest, job: Job, form: EditForm) -> Job:
    changes: dict[str, Any] = unfolded(CloneIn.read(form.said()))
    new = clone(job=job, user=cast("User", request.user), changes=changes).job
    messages.success(request, f"Job {new.pk} was submitted, a clone of job {job.pk}.")
    return new
