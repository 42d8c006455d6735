"""The form that a template's parameters make. What is said in it is judged as it is over REST."""

from typing import Any

from django import forms

from jobs.models import JobTemplate
from jobs.submission.template_parameters import Parameter, read_parameters
from quotas.models import Project

FIELDS: dict[str, type[forms.Field]] = {
    "text": forms.CharField,
    "integer": forms.IntegerField,
    "number": forms.FloatField,
}
PREFIX = "parameter_"


class SubmissionForm(forms.Form):
    """A field for each parameter, and what the submitter may say beside them."""

    def __init__(self, template: JobTemplate, data: Any = None) -> None:
        super().__init__(data)
        self._parameters = {one.name: one for one in in_order(template)}
        for name, one in self._parameters.items():
            self.fields[f"{PREFIX}{name}"] = field_of(one)
        if template.project is None:
            self.fields["project"] = forms.ModelChoiceField(Project.objects.order_by("slug"), to_field_name="slug")
        self.fields["name"] = forms.CharField(max_length=100, required=False, help_text=f"Default: {template.name}.")
        self.fields["queue"] = forms.CharField(
            max_length=63, required=False, help_text="Default: as the template says."
        )
        self.fields["priority"] = forms.CharField(
            max_length=10, required=False, help_text="urgent, normal, background or 0 to 100."
        )

    def said(self) -> dict[str, Any]:
        """As the body of a request; what was left empty was not said."""
        found = {name: value for name, value in self.cleaned_data.items() if value not in (None, "")}
        parameters = {
            name: _as_said(one, found.pop(f"{PREFIX}{name}"))
            for name, one in self._parameters.items()
            if f"{PREFIX}{name}" in found
        }
        if isinstance(project := found.get("project"), Project):
            found["project"] = project.slug
        if str(priority := found.get("priority", "")).isdecimal():
            found["priority"] = int(priority)
        return {"parameters": parameters, **found}

    def refuse(self, field: str, words: str) -> None:
        """Say it where the field is; what no field of the form is meant by, above all of them."""
        known = field if field in self.fields else f"{PREFIX}{field.removeprefix('parameters.')}"
        self.add_error(known if known in self.fields else None, words if known in self.fields else f"{field}: {words}")


def in_order(template: JobTemplate) -> list[Parameter]:
    """What has to be said first. The database does not keep in which order they were written."""
    found = read_parameters(template.parameters).values()
    return sorted(found, key=lambda one: (one.default is not None, one.name))


def field_of(one: Parameter) -> forms.Field:
    """What the use case judges is not judged here: it has the words."""
    usual: dict[str, Any] = {"label": one.name, "initial": one.default, "help_text": in_words(one)}
    if one.type == "flag":
        return forms.BooleanField(required=False, **usual)
    required = one.default is None
    if one.choices:
        nothing = [] if required else [("", "---------")]
        return forms.ChoiceField(
            choices=[*nothing, *((str(c), str(c)) for c in one.choices)], required=required, **usual
        )
    return FIELDS[one.type](required=required, **usual)


def in_words(one: Parameter) -> str:
    """What it is for, and within which bounds."""
    bounds = [
        f"at least {one.least:g}" if one.least is not None else "",
        f"at most {one.most:g}" if one.most is not None else "",
    ]
    told = ", ".join(filter(None, bounds))
    return ". ".join(filter(None, [one.help.rstrip("."), f"{told[:1].upper()}{told[1:]}"]))


def _as_said(one: Parameter, value: Any) -> Any:
    """A choice comes as its text."""
    return next((c for c in one.choices if str(c) == value), value)
