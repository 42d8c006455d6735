"""The settings of the scheduler that staff may set while it runs, and every change that was made of them."""

from collections.abc import Mapping
from typing import Any

import django_filters as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import APIView

from api.http.permissions import StaffWrites, caller
from api.http.shapes import Text
from jobs.control import scheduler_settings
from jobs.control.scheduler_settings import SettingInForce
from jobs.models import SchedulerSettingChange
from jobs.state.tunables import TUNABLES

REASON = Text(400, required=False, allow_blank=True, help_text="Why, for the record.")


class SettingOut(serializers.Serializer[Any]):
    name = serializers.CharField()
    value = serializers.JSONField(help_text="What holds.")
    source = serializers.ChoiceField(  # type: ignore[assignment]  # a field, gone from the class when it is made
        ["environment", "set"], help_text="Whose that is: its environment's, or set by staff."
    )
    default = serializers.JSONField(help_text="What the environment says.")
    variable = serializers.CharField(help_text="The environment's name for it.")
    kind = serializers.CharField(help_text="What it is: word, words, number, whole, yes_no or weights.")
    choices = serializers.ListField(child=serializers.CharField(), help_text="Words that it may be, or be made of.")
    help = serializers.CharField(help_text="What it does.")
    set_by = serializers.CharField(allow_blank=True)
    set_at = serializers.DateTimeField(allow_null=True)
    reason = serializers.CharField(allow_blank=True)
    fault = serializers.CharField(allow_blank=True, help_text="Why what was set does not hold.")


class SettingsOut(serializers.Serializer[Any]):
    settings = SettingOut(many=True)


class SettingChangeOut(serializers.ModelSerializer[SchedulerSettingChange]):
    class Meta:
        model = SchedulerSettingChange
        fields = ("id", "name", "old", "new", "by", "reason", "at")


class ChangeFilter(filters.FilterSet):
    name = filters.CharFilter(help_text="Of this setting.")


SETTINGS_IN: dict[str, Any] = {
    "type": "object",
    "description": "Values by the names of settings; null gives one back to the environment.",
    "properties": {
        "reason": {"type": "string", "maxLength": 400, "description": "Why, for the record."},
        **{name: {"description": one.help} for name, one in TUNABLES.items()},
    },
    "additionalProperties": False,
}


class SettingsView(APIView):
    permission_classes = (IsAuthenticated, StaffWrites)

    @extend_schema(operation_id="scheduler_settings_retrieve", responses=SettingsOut)
    def get(self, request: Request) -> Response:
        """By what the scheduler decides: each setting, and whether its environment says it or staff have set it."""
        return Response(settings_out())

    @extend_schema(
        operation_id="scheduler_settings_change", request={"application/json": SETTINGS_IN}, responses=SettingsOut
    )
    def patch(self, request: Request) -> Response:
        """Set some, all or none, by staff; the next cycle goes by them. Null: as the environment says."""
        wanted, reason = _read(request.data)
        scheduler_settings.change(wanted, actor=caller(request).username, reason=reason)
        return Response(settings_out())


class SettingsHistoryView(GenericAPIView[SchedulerSettingChange]):
    queryset = SchedulerSettingChange.objects.all()
    serializer_class = SettingChangeOut
    permission_classes = (IsAuthenticated, StaffWrites)
    filterset_class = ChangeFilter
    orderings = {"-id": "-id", "id": "id"}

    @extend_schema(operation_id="scheduler_settings_history", responses=SettingChangeOut(many=True))
    def get(self, request: Request) -> Response:
        """Who set what, when, from what to what, and why; the newest first. A `new` of null: what the environment says."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(SettingChangeOut(page, many=True).data)


def settings_out() -> dict[str, Any]:
    return {"settings": [setting_out(one) for one in scheduler_settings.listed_settings()]}


def setting_out(one: SettingInForce) -> dict[str, Any]:
    known = TUNABLES[one.name]
    return {
        "name": one.name,
        "value": one.value,
        "source": one.source,
        "default": one.default,
        "variable": known.variable,
        "kind": known.kind,
        "choices": sorted(known.known()),
        "help": known.help,
        "set_by": one.set_by,
        "set_at": one.set_at,
        "reason": one.reason,
        "fault": one.fault,
    }


def _read(body: Any) -> tuple[Mapping[str, Any], str]:
    """The values, which the use case judges, and the reason."""
    if not isinstance(body, Mapping):
        raise ValidationError(
            {api_settings.NON_FIELD_ERRORS_KEY: ["Must be an object, with values by the names of settings."]}
        )
    wanted = {name: value for name, value in body.items() if name != "reason"}
    if not wanted:
        raise ValidationError({api_settings.NON_FIELD_ERRORS_KEY: [f"Name what to set: {', '.join(TUNABLES)}."]})
    try:
        return wanted, REASON.run_validation(body["reason"]) if "reason" in body else ""
    except ValidationError as error:
        raise ValidationError({"reason": error.detail}) from None
