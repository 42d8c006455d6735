"""The list of secrets, and a form that takes a value and shows none."""

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest

from jobs.messages import publishing
from quotas.models import Secret
from quotas.secrets import key_ring, names, setting
from quotas.secrets.setting import Holder

SHOWN = ("name", "project", "user", "set_by", "set_at", "last_used_at")


class SecretForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for mypy alone
    value = forms.CharField(
        strip=False,
        widget=forms.Textarea(attrs={"rows": 4, "autocomplete": "off", "spellcheck": "false"}),
        help_text="Written over the one before. It is not shown again, to nobody.",
    )

    class Meta:
        model = Secret
        fields = ("name", "project")

    def clean(self) -> dict[str, Any]:
        """Asks the use case, which names what is wrong."""
        cleaned: dict[str, Any] = super().clean() or {}
        if not self.errors:
            # As browsers send them: lines end with CR LF in a form, whatever was pasted.
            cleaned["value"] = cleaned["value"].replace("\r\n", "\n")
            name = cleaned.get("name") or self.instance.name
            for fault in (*names.name_faults(name), *names.value_faults(cleaned["value"])):
                self.add_error(fault.field if fault.field in self.fields else None, ValidationError(fault.message))
            try:
                key_ring.ring()
            except key_ring.NoKeysError as error:
                self.add_error(None, ValidationError(str(error)))
        return cleaned

    def _post_clean(self) -> None:
        """The row is made by the use case, which encrypts."""


@admin.register(Secret)
class SecretAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic for mypy alone
    """Without a project it is the operator's own. Of other users staff see names, and may delete."""

    list_display = SHOWN
    list_select_related = ["project", "user"]
    search_fields = ["name", "project__slug", "user__username"]
    autocomplete_fields = ["project"]
    form = SecretForm
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Secret]:
        return super().get_queryset(request).defer("encrypted")

    def get_fields(self, request: HttpRequest, obj: Secret | None = None) -> Any:
        return (
            (*SHOWN, "value")
            if obj and self.has_change_permission(request, obj)
            else SHOWN
            if obj
            else ("name", "project", "value")
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Secret | None = None) -> Any:
        return SHOWN if obj else ()

    def has_change_permission(self, request: HttpRequest, obj: Secret | None = None) -> bool:
        of_another = obj is not None and obj.user_id is not None and obj.user_id != request.user.pk
        return super().has_change_permission(request, obj) and not of_another

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)  # one by one, by the use case
        return actions

    def save_model(self, request: HttpRequest, obj: Secret, form: Any, change: bool) -> None:
        actor = cast("User", request.user)
        holder = Holder(obj.project, obj.user) if change else _holder(form.cleaned_data.get("project"), actor)
        name = obj.name if change else form.cleaned_data["name"]
        made, _ = setting.set_secret(holder, actor, name, form.cleaned_data["value"])
        obj.pk, obj.name = made.pk, made.name
        publishing.request_cycle()

    def delete_model(self, request: HttpRequest, obj: Secret) -> None:
        setting.delete_secret(Holder(obj.project, obj.user), cast("User", request.user), obj.name)


def _holder(project: Any, actor: User) -> Holder:
    return Holder(project=project) if project is not None else Holder(user=actor)
