"""What a job depends on, as JSON: in, as people write it, and out, with how each of them stands."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from api.http.shapes import Text, Whole
from jobs.submission import limits
from jobs.submission.needs import Need
from scheduling.planning.dependencies import After

WORDS = {
    "ok": After.OK, "completed": After.OK, "success": After.OK,
    "any": After.ANY, "ended": After.ANY, "completion": After.ANY,
    "failed": After.FAILED, "failure": After.FAILED, "not_ok": After.FAILED,
}  # fmt: skip
FORM = '{"job": 7, "after": "ok"}, with after one of ok, any, failed'
_number, _word = Whole(2**63 - 1, least=1), Text(limits.NAME)
ENTRY_SCHEMA = {
    "oneOf": [
        {"type": "integer", "minimum": 1},
        {"type": "string", "maxLength": limits.NAME},
        {
            "type": "object",
            "required": ["job"],
            "properties": {
                "job": {"oneOf": [{"type": "integer", "minimum": 1}, {"type": "string", "maxLength": limits.NAME}]},
                "after": {"type": "string", "enum": [str(after) for after in After], "default": "ok"},
            },
        },
    ]
}


@extend_schema_field(ENTRY_SCHEMA)
class NeedField(serializers.Field[Any, Any, Any, Any]):
    """The number of a job, the submission_key or name of one of the same batch, or either of them with how it has to end."""

    def to_internal_value(self, data: Any) -> Need:
        return Need(_job(data)) if not isinstance(data, dict) else _with_after(data)

    def to_representation(self, value: Any) -> Any:
        return value


def _job(data: Any) -> int | str:
    if type(data) is str and not data.strip().isdecimal():
        return str(_word.run_validation(data))
    if isinstance(data, int | str) and not isinstance(data, bool):
        _number.run_validation(data)
        return data
    raise serializers.ValidationError(f"Must be the number of a job, a submission_key, or {FORM}.")


def _with_after(data: dict[str, Any]) -> Need:
    strange = [name for name in data if name not in ("job", "after", "when")]
    if strange or "job" not in data:
        told = f"There is no {strange[0][:64]!r} here" if strange else "Names no job"
        raise serializers.ValidationError(f"{told}: write {FORM}.")
    words = [data[name] for name in ("after", "when") if name in data]
    found = {WORDS.get(word) if isinstance(word, str) else None for word in words} or {After.OK}
    after = found.pop()
    if after is None or found:
        raise serializers.ValidationError({"after": "Must be ok (completed), any (ended, however) or failed."})
    return Need(_job(data["job"]), after)


class NeedsField(serializers.ListField):
    """Jobs that have to end before a job may start."""

    def __init__(self, **options: Any) -> None:
        super().__init__(child=NeedField(), max_length=limits.DEPENDENCIES, **options)


class OnDependencyFailureField(serializers.ChoiceField):
    """Whether a job ends with what it needs."""

    def __init__(self, **options: Any) -> None:
        words = "What becomes of a waiting job when something that it depends on can no longer come true."
        super().__init__(choices=["cancel", "wait"], help_text=words, **options)


class DependencyOut(serializers.Serializer[Any]):
    """A job that has to end first, how it has to, and the state that it is in."""

    job = serializers.IntegerField()
    after = serializers.ChoiceField(choices=[str(after) for after in After])
    state = serializers.CharField(help_text="The state that it is in, as in its own `state`.")
