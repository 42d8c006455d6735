"""The shapes of outputs."""

from typing import Any
from urllib.parse import quote

from django.conf import settings
from rest_framework import serializers

from api.http.shapes import StrictSerializer, Text, Whole
from jobs.models import KeptFile, KeptOutputs
from jobs.outputs import listed

KINDS = KeptFile.Kind.values
LARGEST = 2**62


class FilesQuery(StrictSerializer):
    attempt = Whole(2**31 - 1, least=1, required=False, help_text="Default: the last one that left anything.")
    kind = serializers.ChoiceField(KINDS, required=False, help_text="Only these. Default: both.")
    prefix = Text(4096, required=False, help_text="Only what is called this, or lies in a folder of this name.")
    after = Whole(LARGEST, required=False, help_text="The `next` of the answer before.")
    limit = Whole(5000, least=1, default=1000, help_text="So many files in one answer.")


class FileQuery(StrictSerializer):
    attempt = Whole(2**31 - 1, least=1, required=False, help_text="Default: the last one that left anything.")
    kind = serializers.ChoiceField(KINDS, default="output", help_text="Whether an output is meant, or a checkpoint.")


class KeptFileOut(serializers.ModelSerializer[KeptFile]):
    """A file that an attempt left."""

    url = serializers.SerializerMethodField(help_text="Where its content is; null where that is not kept.")

    class Meta:
        model = KeptFile
        fields = ("kind", "path", "size", "sha256", "executable", "link", "state", "message", "url")

    def get_url(self, file: KeptFile) -> str | None:
        if file.state != KeptFile.State.KEPT:
            return None
        job, attempt = self.context["job"], self.context["attempt"]
        return f"/api/v1/jobs/{job}/outputs/{quote(file.path)}?attempt={attempt}&kind={file.kind}"


class OutputsOut(serializers.Serializer[Any]):
    """What one attempt of a job left."""

    job = serializers.IntegerField()
    attempt = serializers.IntegerField(allow_null=True, help_text="Null: none has left anything yet.")
    state = serializers.ChoiceField(
        ["none", *KeptOutputs.State.values],
        help_text="none; coming: its node uploads them; kept; lost: that node never did; forgotten: their time is over.",
    )
    keep = serializers.BooleanField(help_text="Whether they are kept as long as the job, however old they are.")
    count = serializers.IntegerField(help_text="So many files are kept, all kinds together.")
    size = serializers.IntegerField(help_text="Of them all, in bytes.")
    left_out = serializers.IntegerField(help_text="So many files are not kept; the first of them are in `files`.")
    left_out_bytes = serializers.IntegerField(help_text="Of those, in bytes.")
    message = serializers.CharField(help_text="What else is to be said.")
    files = KeptFileOut(many=True)
    next = serializers.IntegerField(allow_null=True, help_text="What to ask for as `after`; null: that is all.")


class KeepIn(StrictSerializer):
    keep = serializers.BooleanField(help_text="Keep them as long as the job; false: as the rules on age have it.")


class KeepOut(serializers.Serializer[Any]):
    job = serializers.IntegerField()
    keep = serializers.BooleanField()


class ListedIn(serializers.Serializer[Any]):
    """Files that an agent lists, and hashes of which it wants to know whether they are here."""

    files = serializers.ListField(required=False, help_text="As docs/decisions/0051-results-come-back.md has them.")
    blobs = serializers.ListField(
        child=serializers.RegexField(r"\A[0-9a-f]{64}\Z"),
        required=False,
        max_length=settings.CODE_FILES,
        help_text="Hashes that are asked about.",
    )

    @classmethod
    def read(cls, data: Any) -> tuple[list[listed.Listed], list[str]]:
        wanted = cls(data={"blobs": data.get("blobs", [])} if isinstance(data, dict) else data)
        wanted.is_valid(raise_exception=True)
        return listed.read(data.get("files", [])), wanted.validated_data["blobs"]


class MissingOut(serializers.Serializer[Any]):
    missing = serializers.ListField(
        child=serializers.CharField(),
        help_text="Hashes that are to be uploaded first; empty: the files are written down.",
    )


class UploadOut(serializers.Serializer[Any]):
    """The most that is kept of one attempt."""

    output_bytes = serializers.IntegerField()
    checkpoint_bytes = serializers.IntegerField()
    files = serializers.IntegerField()
    named_left_out = serializers.IntegerField()
    project_bytes = serializers.IntegerField(
        allow_null=True, help_text="The most that its project has room for, of both together; null: no limit."
    )
    project_words = serializers.CharField(help_text="Why that is no more, for files that it has no room for.")
    project_takes_checkpoints = serializers.BooleanField(
        help_text="Of a job that goes on: its checkpoints come in all the same."
    )


class CompleteIn(StrictSerializer):
    left_out = Whole(2**31 - 1, default=0, help_text="So many files are not uploaded, named or not.")
    left_out_bytes = Whole(LARGEST, default=0, help_text="Of those, in bytes.")
    message = Text(500, default="", allow_blank=True)


class BeginningQuery(StrictSerializer):
    only_kept = serializers.BooleanField(default=False, help_text="Without a checkpoint that is still to come.")


class CheckpointOut(serializers.Serializer[Any]):
    attempt = serializers.IntegerField(help_text="The last one that left any.")
    state = serializers.ChoiceField(["ready", "coming"])
    files = serializers.ListField(
        child=serializers.ListField(), help_text="Each as [path, size, modified_ns, executable, parts, link]."
    )


class BroughtOut(serializers.Serializer[Any]):
    """Outputs of another job."""

    job = serializers.IntegerField()
    path = serializers.CharField()
    to = serializers.CharField(help_text="Where they lie below TRAINYARD_INPUT_DIR.")
    state = serializers.ChoiceField(["ready", "coming", "missing"])
    message = serializers.CharField(help_text="Why they are not ready.")
    files = serializers.ListField(
        child=serializers.ListField(), help_text="As of a checkpoint, with paths below `to`; empty: `to` is the file."
    )


class BeginningOut(serializers.Serializer[Any]):
    """What a placement is to begin with."""

    checkpoint = CheckpointOut(allow_null=True)
    inputs = BroughtOut(many=True)
