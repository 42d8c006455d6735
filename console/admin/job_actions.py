"""What an operator may do to jobs: of one at once, of many after a question; every refusal is shown."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import ModelAdmin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Max, QuerySet
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST

from jobs.control import bulk, verbs
from jobs.control.verbs import ActionRequest, Verb
from jobs.editing.clone import clone
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


def apply_verb(request: HttpRequest, done: str, job_ids: Sequence[int], verb: Verb, **more: Any) -> None:
    """Ask it of the jobs, and say once how many were `done` and why others were refused."""
    outcome = bulk.grant(verb, job_ids, ActionRequest(request.user.get_username(), **more))
    refusals = [refusal.removesuffix(".") for _, refusal in sorted(outcome.refusals.items())]
    messages.add_message(request, *_sum_up(done, len(outcome.changed) + outcome.unchanged, refusals))


def _sum_up(done: str, succeeded: int, refusals: list[str]) -> tuple[int, str]:
    if not refusals:
        return messages.SUCCESS, f"{succeeded} {done}."
    more = len(refusals) - REFUSALS_SHOWN
    shown = [*refusals[:REFUSALS_SHOWN], *([f"and {more} more"] if more > 0 else [])]
    level = messages.WARNING if succeeded else messages.ERROR
    return level, f"{succeeded} {done}, {len(refusals)} refused: {'; '.join(shown)}."


def action(name: str) -> Callable[..., TemplateResponse | None]:
    """An action that asks first, and then asks it of each of the jobs."""
    button = BUTTONS[name]

    @admin.action(description=button.description, permissions=["change"])
    def act(model_admin: "ModelAdmin[Job]", request: HttpRequest, jobs: QuerySet[Job]) -> TemplateResponse | None:
        if "apply" not in request.POST:
            return ask_first(model_admin, request, jobs, title=button.title, action=name, warning=button.warning)
        apply_verb(request, button.done, ids(meant(request, jobs)), button.verb)
        return None

    act.__name__ = name  # by which Django finds it again
    return act


def ask_first(
    model_admin: "ModelAdmin[Job]", request: HttpRequest, jobs: QuerySet[Job], **more: Any
) -> TemplateResponse:
    """The page that shows how many jobs are meant, and which; its answer comes back to the action, with `apply`."""
    chosen = Job.objects.filter(pk__in=jobs.values("pk"))
    states = chosen.order_by("state").values_list("state").annotate(count=Count("pk"))
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts, "media": model_admin.media,
        "jobs": chosen.order_by("pk")[:JOBS_SHOWN], "states": list(states), "count": sum(count for _, count in states),
        "placed": sum(count for state, count in states if state in PLACED_STATES),
        "newest": chosen.aggregate(newest=Max("pk"))["newest"],
        "selected": request.POST.getlist("_selected_action"), "select_across": request.POST.get("select_across", "0"),
        **more,
    }  # fmt: skip
    return TemplateResponse(request, "console/ask_first.html", context)


def meant(request: HttpRequest, jobs: QuerySet[Job]) -> QuerySet[Job]:
    """Of all that a filter finds now only those that were there when it was asked."""
    newest = request.POST.get("newest", "")
    return jobs.filter(pk__lte=int(newest)) if newest.isascii() and newest.isdecimal() else jobs


@admin.action(description="Change the priority…", permissions=["change"])
def change_priority(
    model_admin: "ModelAdmin[Job]", request: HttpRequest, jobs: QuerySet[Job]
) -> TemplateResponse | None:
    """Asks for the priority first, and comes back here with the answer."""
    form = PriorityForm(request.POST if "apply" in request.POST else None)
    if form.is_bound and form.is_valid():
        priority = form.priority()
        done = f"changed to priority {priority}"
        apply_verb(request, done, ids(meant(request, jobs)), verbs.change, columns={"priority": priority})
        return None
    return ask_first(model_admin, request, jobs, title="Change the priority", action="change_priority", form=form)


@admin.action(description="Clone (submit again, as yours)…", permissions=["change"])
def clone_jobs(model_admin: "ModelAdmin[Job]", request: HttpRequest, jobs: QuerySet[Job]) -> TemplateResponse | None:
    """Asks first; then a new job of the user's like each of them, in the order in which they were submitted."""
    if "apply" not in request.POST:
        warning = "Each becomes a new job of yours. It depends on nothing, and belongs to no workload."
        return ask_first(model_admin, request, jobs, title="Clone", action="clone_jobs", warning=warning)
    user, new, refusals = cast("User", request.user), list[int](), list[str]()
    for job in meant(request, jobs).select_related("project", "queue", "owner").order_by("pk"):
        try:
            new.append(clone(job=job, user=user, changes={}).job.pk)
        except TrainyardError as error:
            refusals.append(f"Job {job.pk}: {error}".removesuffix("."))
    done = f"submitted ({', '.join(map(str, new[:JOBS_SHOWN]))})" if new else "submitted"
    messages.add_message(request, *_sum_up(done, len(new), refusals))
    return None


class Button(NamedTuple):
    """What it says in the list, on the page that asks first, and once it is done."""

    description: str
    title: str
    done: str
    verb: Verb
    warning: str = ""


BUTTONS = {
    "cancel": Button("Cancel…", "Cancel", "cancelled", verbs.cancel, "Commands are stopped. Nothing takes this back."),
    "requeue": Button("Requeue…", "Requeue", "requeued", verbs.requeue, "Commands are stopped, and start again later."),
    "pause": Button(
        "Pause (checkpoint, and give back what it holds)…",
        "Pause",
        "paused",
        verbs.pause,
        "Commands are stopped, with time to write a checkpoint.",
    ),
    "suspend": Button("Suspend (stand still, and keep what it holds)…", "Suspend", "suspended", verbs.suspend),
    "resume": Button("Resume…", "Resume", "resumed", verbs.resume),
    "hold": Button("Hold…", "Hold", "held", verbs.hold),
    "release": Button("Release…", "Release", "released", verbs.release),
}
ACTIONS = [*map(action, BUTTONS), change_priority, clone_jobs]


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
        apply_verb(request, BUTTONS[name].done, [job.pk], BUTTONS[name].verb)
        return HttpResponseRedirect(reverse("admin:jobs_job_change", args=[job.pk]))

    return model_admin.admin_site.admin_view(require_POST(press))
