"""A project as JSON."""

from rest_framework import serializers

from quotas.models import Project, slug_validator
from quotas.shapes import StrictSerializer, Text


class ProjectChange(StrictSerializer):
    name = Text(200, required=False, allow_blank=True)
    parent = Text(63, required=False, allow_null=True, help_text="The slug of the project above.")  # type: ignore[assignment]  # a field, gone from the class when it is made
    archived = serializers.BooleanField(required=False, help_text="An archived project takes no new jobs.")


class ProjectIn(StrictSerializer):
    slug = serializers.CharField(max_length=63, validators=[slug_validator])
    name = Text(200, required=False, allow_blank=True)
    parent = Text(63, required=False, allow_null=True, help_text="The slug of the project above.")  # type: ignore[assignment]  # a field, gone from the class when it is made


class ProjectOut(serializers.ModelSerializer[Project]):
    parent = serializers.CharField(source="parent.slug", default=None, allow_null=True)  # type: ignore[assignment]  # a field, gone from the class when it is made

    class Meta:
        model = Project
        fields = ("slug", "name", "parent", "archived", "created_at")
