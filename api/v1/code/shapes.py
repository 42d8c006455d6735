"""The shapes of snapshots."""

from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from api.http.shapes import StrictSerializer, Text
from jobs.code import manifest, snapshots
from jobs.models import CodeSnapshot
from scheduling.errors import InvalidError

FILE = {
    "type": "object",
    "properties": {
        "path": {"type": "string", "description": "Below the folder, with slashes."},
        "size": {"type": "integer", "description": "In bytes."},
        "executable": {"type": "boolean"},
        "parts": {
            "type": "array",
            "items": {"type": "string"},
            "description": f"The SHA-256 of each {manifest.PART_BYTES} bytes of it.",
        },
        "link": {"type": "string", "description": "Of a symbolic link, instead of the rest: to what it points."},
    },
    "required": ["path"],
}


@extend_schema_field({"type": "array", "items": FILE})
class FilesField(serializers.Field[Any, Any, Any, Any]):
    """Judged at once, as there may be thousands."""

    def to_internal_value(self, data: Any) -> Any:
        try:
            return manifest.read(data, most_files=settings.CODE_FILES, most_mb=settings.CODE_MB)
        except InvalidError as error:
            found: dict[str, list[str]] = {}
            for fault in error.errors:
                found.setdefault(fault.field.removeprefix("files"), []).append(fault.message)
            raise serializers.ValidationError(found.get("") or _by_place(found)) from None

    def to_representation(self, value: Any) -> Any:
        return value


def _by_place(faults: dict[str, list[str]]) -> dict[Any, Any]:
    """`[3].path` as REST framework nests it."""
    nested: dict[Any, Any] = {}
    for place, words in faults.items():
        index, _, field = place.removeprefix("[").partition("]")
        nested.setdefault(int(index), {})[field.removeprefix(".") or "non_field_errors"] = words
    return nested


class GitIn(StrictSerializer):
    """Where the folder's repository stood."""

    commit = serializers.RegexField(r"\A[0-9a-f]{7,64}\Z", required=False, help_text="In hexadecimal digits.")
    branch = Text(255, required=False, allow_blank=True)
    dirty = serializers.BooleanField(required=False, help_text="Whether anything is not committed.")
    diff = Text(
        snapshots.DIFF_BYTES, required=False, allow_blank=True,
        help_text="What is not committed, as git says it; the beginning of it where it is long.",
    )  # fmt: skip


class SnapshotIn(StrictSerializer):
    project = Text(63)
    files = FilesField(help_text="All that is to come along.")
    git = GitIn(required=False)


FIELDS = (
    "id",
    "project",
    "digest",
    "files",
    "size",
    "complete",
    "commit",
    "branch",
    "dirty",
    "created_by",
    "created_at",
)


class SnapshotOut(serializers.ModelSerializer[CodeSnapshot]):
    project = serializers.CharField(source="project.slug")
    complete = serializers.SerializerMethodField(help_text="All of it is there: jobs may name it.")

    class Meta:
        model = CodeSnapshot
        fields: tuple[str, ...] = FIELDS

    def get_complete(self, snapshot: CodeSnapshot) -> bool:
        return snapshot.complete_at is not None


class SnapshotDetail(SnapshotOut):
    """With what is still to be uploaded, which `detail` fills in, and what was not committed."""

    missing = serializers.SerializerMethodField(help_text="The hashes of blobs that are still to be uploaded.")

    class Meta:
        model = CodeSnapshot
        fields = (*FIELDS, "missing", "diff")

    def get_missing(self, snapshot: CodeSnapshot) -> list[str]:
        return []


def detail(snapshot: CodeSnapshot, missing: list[str]) -> dict[str, Any]:
    return {**SnapshotDetail(snapshot).data, "missing": missing}


class StoredOut(serializers.Serializer[Any]):
    stored = serializers.IntegerField(help_text="So many blobs were taken in.")


class LimitsOut(serializers.Serializer[Any]):
    files = serializers.IntegerField(help_text="The most files of a snapshot.")
    mb = serializers.FloatField(help_text="The most MB of a snapshot.")
    part_bytes = serializers.IntegerField(help_text="How long the parts of a file are, but for the last.")
    diff_bytes = serializers.IntegerField(help_text="The most bytes of a diff.")


class WantedIn(StrictSerializer):
    """What an agent lacks."""

    blobs = serializers.ListField(
        child=serializers.RegexField(r"\A[0-9a-f]{64}\Z"), max_length=settings.CODE_FILES * 2, help_text="Their hashes."
    )


class PlacementCodeOut(serializers.Serializer[Any]):
    """The files of the code in a copy of which a placement runs."""

    digest = serializers.CharField(help_text="Of the two below.")
    origin = serializers.CharField(help_text="The digest of where git stood.")
    files = serializers.ListField(
        child=serializers.ListField(), help_text="Each as [path, size, executable, parts, link]."
    )
