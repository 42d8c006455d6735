"""A project as JSON."""

import math
from typing import Any

from rest_framework import serializers

from api.http.shapes import StrictSerializer, Text
from quotas.models import Membership, Project, slug_validator

HEAVIEST, MOST_DAYS = 1_000_000, 36_500


class Weight(serializers.FloatField):
    """A finite number from 0 on; no text, no truth value."""

    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=0, max_value=HEAVIEST, **options)

    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, bool) or not isinstance(data, int | float) or not math.isfinite(data):
            self.fail("invalid")
        return super().to_internal_value(data)


class ProjectChange(StrictSerializer):
    name = Text(200, required=False, allow_blank=True)
    parent = Text(63, required=False, allow_null=True, help_text="The slug of the project above.")  # type: ignore[assignment]  # a field, gone from the class when it is made
    archived = serializers.BooleanField(required=False, help_text="An archived project takes no new jobs.")
    weight = Weight(required=False, help_text="Its fair share among its siblings, set by who may set its quota.")


class ProjectIn(StrictSerializer):
    slug = serializers.CharField(max_length=63, validators=[slug_validator])
    name = Text(200, required=False, allow_blank=True)
    parent = Text(63, required=False, allow_null=True, help_text="The slug of the project above.")  # type: ignore[assignment]  # a field, gone from the class when it is made
    weight = Weight(required=False, help_text="Its fair share among its siblings.")


class ProjectOut(serializers.ModelSerializer[Project]):
    parent = serializers.CharField(source="parent.slug", default=None, allow_null=True)  # type: ignore[assignment]  # a field, gone from the class when it is made

    class Meta:
        model = Project
        fields = ("slug", "name", "parent", "weight", "archived", "created_at")


class MemberIn(StrictSerializer):
    user = Text(150, help_text="The user's name. Accounts are made by staff.")
    role = serializers.ChoiceField(
        Membership.Role.choices, required=False, help_text="Viewers look, members (the default) submit, admins manage."
    )


class MemberChange(StrictSerializer):
    role = serializers.ChoiceField(
        Membership.Role.choices, help_text="The new one: viewers look, members submit, admins manage."
    )


class MemberOut(serializers.ModelSerializer[Membership]):
    user = serializers.CharField(source="user.username", help_text="The user's name.")
    active = serializers.BooleanField(source="user.is_active", help_text="The account is not switched off.")
    role = serializers.ChoiceField(Membership.Role.choices, help_text="Viewers look, members submit, admins manage.")

    class Meta:
        model = Membership
        fields = ("user", "role", "active")
