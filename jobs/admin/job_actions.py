"""What an operator may do to jobs, one or many: each goes through its use case, and every refusal is shown."""

from collections.abc import Callable, Iterable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST

from jobs import control
from jobs.models import Job
from scheduling.errors import TrainyardError
from scheduling.lifecycle import PLACED_STATES
from scheduling.priorities import CLASSES, HIGHEST, LOWEST, WORDS

REFUSALS_SHOWN = 5
JOBS_SHOWN = 20


class PriorityForm(forms.Form):
    """One of the three classes, or any number."""

    word = forms.ChoiceField(
        label="Class",
        choices=[(word, f"{word} ({WORDS[word]})") for word in CLASSES],
        widget=forms.RadioSelect,
        required=False,
    )
    number = forms.IntegerField(
        label="or a number", min_value=LOWEST, max_value=HIGHEST, required=False,
        help_text=f"{LOWEST} to {HIGHEST}; higher goes first. It wins over the class.",
    )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors and not cleaned.get("word") and cleaned.get("number") is None:
            raise forms.ValidationError("Choose a class or give a number.")
        return cleaned

    def priority(self) -> int:
        number: int | None = self.cleaned_data["number"]
        return WORDS[self.cleaned_data["word"]] if number is None else number


def tell(request: HttpRequest, done: str, job_ids: Iterable[int], use_case: Callable[[int], object]) -> None:
    """Call the use case for each job, and say once how many were `done` and why others were refused."""
    succeeded, refusals = 0, []
    for job_id in job_ids:
        try:
            use_case(job_id)
            succeeded += 1
        except TrainyardError as refusal:
            refusals.append(str(refusal).removesuffix("."))
    messages.add_message(request, *_sum_up(done, succeeded, refusals))


def _sum_up(done: str, succeeded: int, refusals: list[str]) -> tuple[int, str]:
    if not refusals:
        return messages.SUCCESS, f"{succeeded} {done}."
    more = len(refusals) - REFUSALS_SHOWN
    shown = [*refusals[:REFUSALS_SHOWN], *([f"and {more} more"] if more > 0 else [])]
    level = messages.WARNING if succeeded else messages.ERROR
    return level, f"{succeeded} {done}, {len(refusals)} refused: {'; '.join(shown)}."


def action(
    description: str, done: str, use_case: Callable[..., object], *, warning: str = ""
) -> Callable[..., TemplateResponse | None]:
    """An action that calls the use case for each of the jobs; with a `warning`, from a list it asks first."""

    @admin.action(description=f"{description}…" if warning else description, permissions=["change"])
    def act(model_admin: "ModelAdmin[Job]", request: HttpRequest, jobs: QuerySet[Job]) -> TemplateResponse | None:
        if warning and "action" in request.POST and "apply" not in request.POST:
            asked = {"action": use_case.__name__, "verb": description.partition(" (")[0], "warning": warning}
            return ask(model_admin, request, jobs, asked)
        actor = request.user.get_username()
        tell(request, done, ids(jobs), lambda job_id: use_case(job_id=job_id, actor=actor))
        return None

    act.__name__ = use_case.__name__  # by which Django finds it again
    return act


def ask(
    model_admin: "ModelAdmin[Job]", request: HttpRequest, jobs: QuerySet[Job], asked: dict[str, Any]
) -> TemplateResponse:
    """The page between choosing an action and doing it, which says what is chosen."""
    context = {
        **model_admin.admin_site.each_context(request), **asked, "title": f"{asked['verb']}?",
        "opts": model_admin.opts, "media": model_admin.media, **selection(request, jobs),
    }  # fmt: skip
    return TemplateResponse(request, "jobs/admin/ask_first.html", context)


def selection(request: HttpRequest, jobs: QuerySet[Job]) -> dict[str, Any]:
    return {
        "jobs": jobs[:JOBS_SHOWN],
        "count": jobs.count(),
        "running": jobs.filter(state__in=list(PLACED_STATES)).count(),
        "selected": request.POST.getlist("_selected_action"),
        "select_across": request.POST.get("select_across", "0"),
    }


@admin.action(description="Change the priority…", permissions=["change"])
def change_priority(
    model_admin: "ModelAdmin[Job]", request: HttpRequest, jobs: QuerySet[Job]
) -> TemplateResponse | None:
    """Asks for the priority first, and comes back here with the answer."""
    form = PriorityForm(request.POST if "apply" in request.POST else None)
    if form.is_bound and form.is_valid():
        actor, priority = request.user.get_username(), form.priority()
        done = f"changed to priority {priority}"
        tell(request, done, ids(jobs), lambda job_id: control.change(job_id=job_id, actor=actor, priority=priority))
        return None
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Change the priority", "opts": model_admin.opts, "form": form, "media": model_admin.media,
        **selection(request, jobs),
    }  # fmt: skip
    return TemplateResponse(request, "jobs/admin/change_priority.html", context)


BUTTONS = {
    one.__name__: one
    for one in (
        action("Cancel", "cancelled", control.cancel, warning="Commands are stopped. Nothing takes this back."),
        action("Requeue", "requeued", control.requeue, warning="Commands are stopped, and start again later."),
        action(
            "Pause (checkpoint, and give back what it holds)",
            "paused",
            control.pause,
            warning="Commands are stopped, with time to write a checkpoint.",
        ),
        action("Suspend (stand still, and keep what it holds)", "suspended", control.suspend),
        action("Resume", "resumed", control.resume),
        action("Hold", "held", control.hold),
        action("Release", "released", control.release),
    )
}
ACTIONS = [*BUTTONS.values(), change_priority]


def ids(jobs: QuerySet[Job]) -> list[int]:
    return list(jobs.order_by("pk").values_list("pk", flat=True))


def button_urls(model_admin: "ModelAdmin[Job]") -> list[URLPattern]:
    """The addresses that the buttons of a job's page post to."""
    return [path(f"<int:job_id>/{name}/", _button_view(model_admin, name), name=f"jobs_job_{name}") for name in BUTTONS]


def _button_view(model_admin: "ModelAdmin[Job]", name: str) -> Callable[..., HttpResponseBase]:
    def press(request: HttpRequest, job_id: int) -> HttpResponseRedirect:
        if not request.user.has_perm("jobs.change_job"):
            raise PermissionDenied
        job = get_object_or_404(Job, pk=job_id)
        BUTTONS[name](model_admin, request, Job.objects.filter(pk=job.pk))
        return HttpResponseRedirect(reverse("admin:jobs_job_change", args=[job.pk]))

    return model_admin.admin_site.admin_view(require_POST(press))
