"""What is to be different in a job, as a form. What is said in it is judged as the body of a request is."""

import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from django import forms

from api.v1.shapes.jobs import ResourcesOut
from console.admin.job_form import plain
from jobs.models import Job, Queue
from quotas.models import Project
from scheduling.errors import FieldError

SIZES = ("gpus", "gpu_model", "gpu_memory_gb", "cpus", "memory_gb", "nodes", "node_labels")
LINES = ("labels", "node_labels")
ENV_SET, ENV_UNSET, WITHOUT_CODE = "env_set", "env_unset", "without_code"
OF_REST = {"env": ENV_SET, "snapshot": WITHOUT_CODE}
"""Where a refusal of a field of REST's is said, if its name is another one here."""
NAME_AND_VALUE = "NAME=value, one a line."


def text(**options: Any) -> forms.CharField:
    return forms.CharField(widget=forms.TextInput(attrs={"class": "vTextField"}), **options)


def lines(**options: Any) -> forms.CharField:
    return forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 2, "cols": 60}), **options)


def whole(**options: Any) -> forms.IntegerField:
    return forms.IntegerField(widget=forms.NumberInput(attrs={"size": 8}), **options)


class EditForm(forms.Form):
    """A field says something where it was changed in the form: what somebody else wrote meanwhile in others stays."""

    name = text()
    command = lines(help_text="As one would type it; no shell reads it.")
    working_dir = text(required=False, label="Folder")
    env_set = lines(label="Set variables", help_text=f"{NAME_AND_VALUE} Those that are not named stay as they are.")
    env_unset = text(required=False, label="Take variables away", help_text="Their names.")
    gpus = whole(label="GPUs", help_text="On each node.")
    gpu_model = text(required=False, label="GPU model", help_text="Such as h100; several with commas.")
    gpu_memory_gb = forms.FloatField(label="GB of each GPU", help_text="0: any.")
    cpus = whole(label="CPUs", help_text="On each node.")
    memory_gb = forms.FloatField(label="GB of memory", help_text="On each node.")
    nodes = whole(label="Nodes")
    node_labels = lines(label="Labels of its nodes", help_text=NAME_AND_VALUE)
    executor = text(required=False, help_text="agent, a cluster's name or any; empty: as its queue has it.")
    image = text(required=False)
    max_runtime_seconds = whole(required=False, label="Time limit", help_text="In seconds.")
    estimated_runtime_seconds = whole(required=False, label="Will run for", help_text="In seconds.")
    max_retries = whole(label="Retries")
    begin_at = forms.SplitDateTimeField(
        required=False,
        label="Not before",
        widget=forms.SplitDateTimeWidget(
            date_attrs={"type": "date"}, time_attrs={"type": "time", "step": "1"}, time_format="%H:%M:%S"
        ),
        help_text="In UTC.",
    )
    reason = text(required=False, label="Why", help_text="Stands in its history.")

    def __init__(self, job: Job, data: Any = None) -> None:
        super().__init__(data, initial=as_it_is(job))
        for field in self.fields.values():
            field.show_hidden_initial = True

    def said(self) -> dict[str, Any]:
        """As the body of a request."""
        found = {name: self.cleaned_data[name] for name in self.changed_data if name in self.cleaned_data}
        variables = by_name(found.pop(ENV_SET, "")) | dict.fromkeys(found.pop(ENV_UNSET, "").split())
        sizes = {name: found.pop(name) for name in SIZES if name in found}
        body = {name: plain(value) for name, value in found.items()}
        body |= {name: shlex.split(body[name]) for name in ("command",) if name in body}
        for named in (body, sizes):
            named.update({name: by_name(named[name]) for name in LINES if name in named})
        return body | ({"env": variables} if variables else {}) | ({"resources": sizes} if sizes else {})

    def clean_command(self) -> str:
        command = str(self.cleaned_data["command"]).replace("\r\n", "\n")  # as browsers send the ends of lines
        try:
            shlex.split(command)
        except ValueError as error:
            raise forms.ValidationError(f"{error}.") from None
        return command

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for name in (*LINES, ENV_SET):
            wrong = [line for line in cleaned.get(name, "").splitlines() if line.strip() and "=" not in line]
            if wrong:
                self.add_error(name, f"{wrong[0].strip()[:60]!r} has no '='. {NAME_AND_VALUE}")
        return cleaned

    def refuse(self, faults: Iterable[FieldError]) -> None:
        """Say each at its field; what is about none of the form's, above all of them."""
        for fault in faults:
            first, _, rest = fault.field.partition(".")
            name = rest if first == "resources" and rest in self.fields else OF_REST.get(first, first)
            known = name in self.fields
            self.add_error(name if known else None, fault.message if known else f"{fault.field}: {fault.message}")


class CloneForm(EditForm):
    """The new job is submitted, so that it is said where to, and what lists find it by."""

    project = forms.ModelChoiceField(Project.objects.order_by("slug"), to_field_name="slug")
    queue = forms.ModelChoiceField(Queue.objects.order_by("name"), to_field_name="name")
    priority = forms.CharField(help_text="urgent, normal, background or 0 to 100.")
    labels = lines(help_text=NAME_AND_VALUE)
    field_order = ("project", "queue", "priority", "name", "labels")
    without_code = forms.BooleanField(
        required=False, label="Without its code", help_text="It runs what lies on its node. Code is of one project."
    )

    def __init__(self, job: Job, data: Any = None) -> None:
        super().__init__(job, data)
        if job.snapshot_id is None:
            del self.fields[WITHOUT_CODE]

    def said(self) -> dict[str, Any]:
        body = super().said()
        if isinstance(body.get("project"), Project):
            body["project"] = body["project"].slug
        if str(body.get("priority", "")).isdecimal():
            body["priority"] = int(body["priority"])
        return body | ({"snapshot": None} if body.pop(WITHOUT_CODE, False) else {})


def as_it_is(job: Job) -> dict[str, Any]:
    """Of its variables nothing: whoever sees the form need not be who may see their values."""
    sizes = ResourcesOut(job).data
    shown = {name: getattr(job, name) for name in EditForm.base_fields if hasattr(job, name)}
    return {
        **shown,
        **{name: sizes[name] for name in SIZES},
        "command": shlex.join(job.command),
        "labels": spelled(job.labels),
        "node_labels": spelled(job.node_labels),
        "project": job.project.slug,
        "queue": job.queue.name,
        "priority": job.priority,
    }


def by_name(text: str) -> dict[str, str]:
    pairs = (line.strip().partition("=") for line in text.splitlines() if line.strip())
    return {name: value for name, _, value in pairs}


def spelled(values: Mapping[str, str]) -> str:
    return "\n".join(f"{name}={value}" for name, value in sorted(values.items()))
