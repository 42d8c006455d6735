"""Values of a request body that need more than a type: words, maps of strings, sizes, times."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NoReturn

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from jobs.submission import limits
from scheduling import gpu_hours, memory_units, priorities
from scheduling.errors import InvalidError

PRIORITY_SCHEMA = {
    "oneOf": [
        {"type": "integer", "minimum": priorities.LOWEST, "maximum": priorities.HIGHEST},
        {"type": "string", "enum": list(priorities.WORDS)},
    ]
}
NAMES_OF_SECRETS = 'Must be a list of names, for example ["WANDB_API_KEY"], or with files: [{"name": "GCP_KEY", "file": "gcp.json"}]: no values.'


@extend_schema_field({"type": "object", "additionalProperties": True})
class ObjectField(serializers.Field[Any, Any, Any, Any]):
    """An object whose content depends on what stands beside it, so that it is judged with the rest."""

    def __init__(self, *, example: str = "", **options: Any) -> None:
        super().__init__(**options)
        self._words = f"Must be an object, for example {example}." if example else "Must be an object."

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise serializers.ValidationError(self._words)
        return data

    def to_representation(self, value: Any) -> Any:
        return value


def bytes_of(texts: Iterable[str]) -> int:
    """Their size in UTF-8; raises ValidationError when one of them can be no argument, variable or label."""
    size = 0
    for text in texts:
        if "\0" in text:
            raise serializers.ValidationError("May not hold NUL characters.", "nul")
        try:
            size += len(text.encode()) + 1
        except UnicodeEncodeError:
            raise serializers.ValidationError("Holds half of a character (a lone surrogate).", "surrogate") from None
    return size


@extend_schema_field({"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": limits.COMMAND_WORDS})
class CommandField(serializers.Field[Any, Any, Any, Any]):
    """A program and its arguments. No shell reads it; who wants one says so: ["sh", "-c", "..."]."""

    def to_internal_value(self, data: Any) -> tuple[str, ...]:
        if not isinstance(data, list) or not all(isinstance(word, str) for word in data):
            raise serializers.ValidationError('Must be a list of strings, for example ["python", "train.py"].')
        if not data or not data[0]:
            raise serializers.ValidationError("Needs at least the program to run.", "empty")
        if len(data) > limits.COMMAND_WORDS:
            raise serializers.ValidationError(f"May have at most {limits.COMMAND_WORDS} words.", "too_long")
        if bytes_of(data) > limits.COMMAND_BYTES:
            raise serializers.ValidationError(f"May be at most {limits.COMMAND_BYTES // 1024} KiB.", "too_long")
        return tuple(data)

    def to_representation(self, value: Any) -> Any:
        return value


@extend_schema_field({"type": "object", "additionalProperties": {"type": "string"}})
class TextMapField(serializers.Field[Any, Any, Any, Any]):
    """Strings by name."""

    def to_internal_value(self, data: Any) -> dict[str, str]:
        if not isinstance(data, dict):
            raise serializers.ValidationError('Must be an object of strings, for example {"NAME": "value"}.')
        for name, value in data.items():
            if not isinstance(value, str):
                raise serializers.ValidationError({name[: limits.LABEL_KEY]: "Must be a string: put it in quotes."})
        self.check(data, bytes_of([*data, *data.values()]))
        return data

    def check(self, data: dict[str, str], size: int) -> None:
        """Raise ValidationError where this kind of map has limits of its own."""

    def to_representation(self, value: Any) -> Any:
        return value


class EnvField(TextMapField):
    def check(self, data: dict[str, str], size: int) -> None:
        if any(not name or "=" in name for name in data):
            raise serializers.ValidationError("A variable's name may not be empty nor hold '='.")
        if size > limits.ENV_BYTES:
            raise serializers.ValidationError(f"May be at most {limits.ENV_BYTES // 1024} KiB in all.", "too_long")


@extend_schema_field({"type": "object", "additionalProperties": {"type": "string", "nullable": True}})
class EnvChangesField(EnvField):
    """Variables that are set, or with null taken away; those that it does not name stay."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        gone = {name for name, value in data.items() if value is None} if isinstance(data, dict) else set()
        kept = {name: value for name, value in data.items() if name not in gone} if gone else data
        return {**super().to_internal_value(kept), **dict.fromkeys(gone)}


@extend_schema_field({"type": "array", "items": {"oneOf": [
    {"type": "string"},
    {"type": "object", "properties": {"name": {"type": "string"}, "file": {"type": "string"}}, "required": ["name", "file"],
     "additionalProperties": False},
]}})  # fmt: skip
class SecretsField(serializers.Field[Any, Any, Any, Any]):
    """Names, each once, with that of a file where the job is to find the secret in one; what these may be is judged with the rest."""

    def to_internal_value(self, data: Any) -> dict[str, str | None]:
        if not isinstance(data, list):
            raise serializers.ValidationError(NAMES_OF_SECRETS)
        found: dict[str, str | None] = {}
        for at, one in enumerate(data):
            name, file = self._read(at, one)
            if found.get(name, file) != file:
                _refuse_entry(at, f"{name} is named twice, and not alike.")
            found[name] = file
        return found

    def _read(self, at: int, one: Any) -> tuple[str, str | None]:
        if isinstance(one, str):
            return one, None
        if not isinstance(one, dict) or not one.keys() <= {"name", "file"} or not isinstance(one.get("name"), str):
            _refuse_entry(at, 'Must be a name, or {"name": "GCP_KEY", "file": "gcp.json"}: no values.')
        if not isinstance(one.get("file"), str) or not one["file"]:
            _refuse_entry(at, {"file": ['Must be the name of a file, for example "gcp.json".']})
        return one["name"], one["file"]

    def to_representation(self, value: Any) -> Any:
        return value


def _refuse_entry(at: int, words: Any) -> NoReturn:
    """Of a list, by its place in it."""
    by_place: Any = {at: words if isinstance(words, dict) else [words]}
    raise serializers.ValidationError(by_place)


class LabelsField(TextMapField):
    def check(self, data: dict[str, str], size: int) -> None:
        if len(data) > limits.LABELS:
            raise serializers.ValidationError(f"May be at most {limits.LABELS}.", "too_long")
        if any(not 0 < len(name) <= limits.LABEL_KEY or "=" in name for name in data):
            raise serializers.ValidationError(f"A label's name has 1 to {limits.LABEL_KEY} characters and no '='.")
        if any(len(value) > limits.LABEL_VALUE for value in data.values()):
            raise serializers.ValidationError(f"A label's value has at most {limits.LABEL_VALUE} characters.")


@extend_schema_field(PRIORITY_SCHEMA)
class PriorityField(serializers.Field[Any, Any, Any, Any]):
    """0 to 100, or one of the words for it; always answered as the number."""

    def to_internal_value(self, data: Any) -> int:
        try:
            return priorities.number_of(data)
        except InvalidError as error:
            raise serializers.ValidationError(error.errors[0].message) from None

    def to_representation(self, value: Any) -> Any:
        return value


@extend_schema_field({"type": "string", "format": "date-time"})
class MomentField(serializers.Field[Any, Any, Any, Any]):
    """A point in time; without a time zone it would be another one for each reader."""

    def to_internal_value(self, data: Any) -> datetime:
        try:
            moment = parse_datetime(data) if isinstance(data, str) else None
            if moment is not None and timezone.is_aware(moment):
                return moment.astimezone(timezone.get_current_timezone())
        except (ValueError, OverflowError):
            pass
        raise serializers.ValidationError("Must be a time with its zone, for example 2030-01-31T12:00:00Z.")

    def to_representation(self, value: Any) -> Any:
        return value


@extend_schema_field({"type": "number", "minimum": 0})
class GigabytesField(serializers.Field[Any, Any, Any, Any]):
    """Gigabytes at the door (1 GB = 1024 MB), whole megabytes behind it."""

    def __init__(self, most: int = limits.MEMORY_GB, **options: Any) -> None:
        super().__init__(**options)
        self.most = most

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int | float) or not 0 <= data <= self.most:
            raise serializers.ValidationError(f"Must be a number from 0 to {self.most}, in GB.", "out_of_range")
        return memory_units.megabytes(data)

    def to_representation(self, value: int) -> float:
        return memory_units.gigabytes(value)


@extend_schema_field({"type": "number", "minimum": 0, "multipleOf": 0.01})
class GpuHoursField(serializers.Field[Any, Any, Any, Any]):
    """GPU-hours at the door, to the hundredth; whole GPU-seconds behind it."""

    def __init__(self, most: int, **options: Any) -> None:
        super().__init__(**options)
        self.most = most

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int | float) or not 0 <= data <= self.most:
            raise serializers.ValidationError(f"Must be a number from 0 to {self.most}, in GPU-hours.", "out_of_range")
        if round(data, gpu_hours.DIGITS) != data:
            raise serializers.ValidationError("Must have at most two digits after the point.", "out_of_range")
        return gpu_hours.seconds(data)

    def to_representation(self, value: int) -> float:
        return gpu_hours.hours(value)


class GpuGigabytesField(GigabytesField):
    """Memory of a GPU as its maker counts it (1 GB = 10^9 bytes): an "80 GB" card reports 81,559 of our megabytes."""

    def to_internal_value(self, data: Any) -> int:
        super().to_internal_value(data)
        return memory_units.gpu_megabytes(data)

    def to_representation(self, value: int) -> float:
        return memory_units.gpu_gigabytes(value)
