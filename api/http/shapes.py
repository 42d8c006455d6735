"""The shapes of request bodies. They live here because this is the lowest app with a door to the network.

What is right passes quickly, so that a thousand jobs can come in one request; what is wrong takes REST framework's own
way, which knows the words for it.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache, cached_property
from typing import Any

from rest_framework import serializers
from rest_framework.fields import SkipField, empty
from rest_framework.settings import api_settings

NAME_SHOWN = 64


class StrictSerializer(serializers.Serializer[Any]):
    """A body whose every field is known: a typo is refused by name and does not pass as a default."""

    @classmethod
    def read(cls, data: Any) -> dict[str, Any]:
        """The values in `data`; raises ValidationError with all faults, by field."""
        return _ready(cls).run_validation(data)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, Mapping):
            words = "Must be an object, with its fields by name."
            raise serializers.ValidationError({api_settings.NON_FIELD_ERRORS_KEY: [words]})
        values: dict[str, Any] = {}
        errors: dict[str, Any] = {}
        for name in [*data, *(self._wanted - data.keys())]:
            try:
                values[name] = self._valid(name, data.get(name, empty))
            except SkipField:
                pass
            except serializers.ValidationError as error:
                errors[name[:NAME_SHOWN]] = error.detail
        if errors:
            raise serializers.ValidationError(errors)
        return values

    @cached_property
    def _wanted(self) -> frozenset[str]:
        """The fields that have something to say when they are missing."""
        return frozenset(name for name, field in self.fields.items() if field.required or field.default is not empty)

    @cached_property
    def _checks(self) -> dict[str, Any]:
        """Read once: looking a field up in `fields` is slow."""
        return {
            name: (field.run_validation, getattr(self, f"validate_{name}", None)) for name, field in self.fields.items()
        }

    def _valid(self, name: str, value: Any) -> Any:
        validators = self._checks.get(name)
        if validators is None:
            raise serializers.ValidationError(self._hint(name[:NAME_SHOWN]), "unknown")
        run, judge = validators
        return judge(run(value)) if judge else run(value)

    def _hint(self, name: str) -> str:
        near = get_close_matches(name, self.fields, n=1)
        known = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(self.fields)}."
        return f"There is no such field. {known}"


class Nothing(StrictSerializer):
    """No body, or an empty object: what somebody sends to a verb that takes nothing is refused, not passed over."""

    def _hint(self, name: str) -> str:
        return "There is no such field: this takes none."


@cache
def _ready(shape: type[StrictSerializer]) -> StrictSerializer:
    """One of each is enough: validation keeps nothing, and to make one takes longer than to use it."""
    return shape()


class Whole(serializers.IntegerField):
    """A whole number between bounds."""

    min_value: int
    max_value: int

    def __init__(self, most: int, *, least: int = 0, **options: Any) -> None:
        super().__init__(min_value=least, max_value=most, **options)

    def run_validation(self, data: Any = empty) -> Any:
        if type(data) is int and self.min_value <= data <= self.max_value:
            return data
        return super().run_validation(data)


class Text(serializers.CharField):
    """A string that is stored as it comes, blanks at its ends included; no NUL, no half characters.

    Takes no further validators: what is plain ASCII of the right length passes at once.
    """

    max_length: int

    def __init__(self, most: int, **options: Any) -> None:
        super().__init__(max_length=most, trim_whitespace=False, **options)

    def run_validation(self, data: Any = empty) -> Any:
        if type(data) is str and 0 < len(data) <= self.max_length and data.isascii() and "\0" not in data:
            return data
        return super().run_validation(data)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return data
