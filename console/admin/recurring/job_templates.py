"""The list of templates, the page of a version, and the submission of a job that comes of it."""

import json
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from rest_framework.exceptions import ValidationError

from api.v1.shapes.jobs import JobIn, spec_of
from console.admin import cells
from console.admin.keeping import ReadOnly
from console.admin.recurring.submission_form import SubmissionForm, in_order, in_words
from console.page_context import PageContext
from jobs.models import Job, JobTemplate
from jobs.submission import templates
from jobs.submission.submit import submit
from scheduling.errors import InvalidError, TrainyardError


@admin.register(JobTemplate)
class JobTemplateAdmin(ReadOnly, PageContext):
    """Looked at and submitted from; written with `trainyard templates write`, as a version is never changed."""

    list_display = ["name", "version", "whose", "description", "parameter_names", "created_by", "created_at"]
    list_filter = ["project"]
    search_fields = ["name", "description"]
    change_form_template = "console/template.html"

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return []  # the page says all of it in its own way

    def get_queryset(self, request: HttpRequest) -> QuerySet[JobTemplate]:
        """The list has each in its latest version; older ones have their pages."""
        if request.resolver_match and request.resolver_match.url_name == "jobs_jobtemplate_changelist":
            return templates.visible(request.user)  # type: ignore[arg-type]  # who comes here is signed in
        return super().get_queryset(request).select_related("project")

    @admin.display(description="whose", ordering="project")
    def whose(self, template: JobTemplate) -> str:
        return template.project.slug if template.project else "everybody's"

    @admin.display(description="parameters")
    def parameter_names(self, template: JobTemplate) -> str:
        return ", ".join(one.name for one in in_order(template)) or cells.EMPTY

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        versions = JobTemplate.objects.filter(name=obj.name).order_by("-version")
        return {
            "template": obj,
            "whose": self.whose(obj),
            "parameters": [(one, in_words(one)) for one in in_order(obj)],
            "job": json.dumps(obj.job, indent=2, ensure_ascii=False),
            "run_time": obj.estimated_runtime,
            "versions": versions,
            "is_latest": versions[0].pk == obj.pk,
            "came_of_it": Job.objects.filter(labels__contains={templates.LABEL: f"{obj.name}-{obj.version}"})
            .order_by("-pk")
            .only("pk", "name", "state", "created_at")[:10],
        }

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.submit)
        return [path("<int:template_id>/submit/", view, name="jobs_jobtemplate_submit"), *super().get_urls()]

    def submit(self, request: HttpRequest, template_id: int) -> HttpResponse:
        """The form, and with it answered a job: as its owner whoever asks, who has to be allowed to submit there."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        template = get_object_or_404(JobTemplate.objects.select_related("project"), pk=template_id)
        form = SubmissionForm(template, request.POST or None)
        if form.is_valid() and (job := submitted(template, form, request.user)) is not None:
            messages.success(request, f"Job {job.pk} was submitted.")
            return HttpResponseRedirect(reverse("admin:jobs_job_change", args=[job.pk]))
        title = f"Submit a job of {template.name}, version {template.version}"
        context = {**self.admin_site.each_context(request), "opts": self.opts, "title": title, "form": form}
        return TemplateResponse(request, "console/template_job.html", context)


def submitted(template: JobTemplate, form: SubmissionForm, user: Any) -> Job | None:
    """The job; None where the form now says why there is none."""
    try:
        wanted = JobIn.read(templates.job_of(template, form.said()))
        with transaction.atomic():
            [found] = submit(specs=[spec_of(wanted)], owner=user)
    except ValidationError as refused:
        for field, words in refused.detail.items():  # type: ignore[union-attr]  # by field: the shape has no other faults
            form.refuse(field, str(words[0] if isinstance(words, list) else words))
    except InvalidError as refused:
        for fault in refused.errors:
            form.refuse(fault.field, fault.message)
    except TrainyardError as refused:
        form.add_error(None, str(refused))
    else:
        return found.job
    return None
