"""The parameters of a job template: what may be said, and the job that comes of it. Values in, values out.

In the template's job `{name}` stands for a parameter, in any string: alone it becomes the value itself, so that a number
stays a number; within other words, in commands, variables and labels, its text. Braces around anything else are left alone.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, TypeAlias

from scheduling.errors import FieldError, InvalidError

Value: TypeAlias = str | int | float | bool
TYPES: Mapping[str, type] = {"text": str, "integer": int, "number": float, "flag": bool}
SAMPLES: Mapping[str, Value] = {"text": "text", "integer": 1, "number": 1.0, "flag": True}
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
TEXTS = frozenset({"command", "env", "labels", "node_labels"})
"""The fields of a job of which all values are text."""
MOST_PARAMETERS = 50
LONGEST_TEXT = 1_000


@dataclass(frozen=True, slots=True)
class Parameter:
    """What may be said: of this type, from `least` to `most`, or one of `choices`. Without a default it has to be said."""

    name: str
    type: str = "text"
    default: Value | None = None
    least: float | None = None
    most: float | None = None
    choices: tuple[Value, ...] = ()
    help: str = ""

    def sample(self) -> Value:
        """Some value that it may have."""
        if self.default is not None:
            return self.default
        if self.choices:
            return self.choices[0]
        bound = self.least if self.least is not None else self.most
        return SAMPLES[self.type] if bound is None or self.type == "text" else TYPES[self.type](bound)

    def fault(self, value: object) -> str:
        """What is wrong with the value, and what would be right; empty: nothing."""
        if not _is_a(self.type, value):
            return f"Must be {_spelt(self.type)}."
        if self.choices and value not in self.choices:
            return f"Must be one of {', '.join(map(str, self.choices))}."
        if isinstance(value, str):
            return f"May have at most {LONGEST_TEXT} characters." if len(value) > LONGEST_TEXT else ""
        if self.least is not None and float(value) < self.least:  # type: ignore[arg-type]  # it is a number by now
            return f"Must be at least {self.least:g}."
        if self.most is not None and float(value) > self.most:  # type: ignore[arg-type]  # likewise
            return f"Must be at most {self.most:g}."
        return ""


@dataclass(frozen=True, slots=True)
class RunTime:
    """How long a run takes, in seconds: `base`, and so much more with each unit of a parameter."""

    base: float = 0.0
    each: Mapping[str, float] | None = None

    def of(self, values: Mapping[str, Value]) -> int:
        more = sum(seconds * float(values[name]) for name, seconds in (self.each or {}).items())
        return max(1, round(self.base + more))


def read_parameters(said: Mapping[str, Any]) -> dict[str, Parameter]:
    """Raises InvalidError, by field, for what is no parameter."""
    faults: list[FieldError] = []
    if len(said) > MOST_PARAMETERS:
        faults.append(FieldError("parameters", f"May be at most {MOST_PARAMETERS}."))
    found: dict[str, Parameter] = {}
    for name, body in said.items():
        wrong = list(_faults_of(name, body))
        faults += wrong
        if not wrong:
            choices = tuple(body.get("choices", ()))
            found[name] = Parameter(**{**body, "name": name, "choices": choices})
    if faults:
        raise InvalidError(faults)
    return found


def read_run_time(said: Mapping[str, Any] | None, parameters: Mapping[str, Parameter]) -> RunTime | None:
    """Raises InvalidError, by field."""
    if said is None:
        return None
    faults = [
        FieldError(f"estimated_runtime.each.{name}", "Is no parameter that is a number.")
        for name in said.get("each", {})
        if name not in parameters or parameters[name].type not in {"integer", "number"}
    ]
    if faults:
        raise InvalidError(faults)
    return RunTime(said.get("base", 0.0), said.get("each", {}))


def values_of(parameters: Mapping[str, Parameter], said: Mapping[str, Any]) -> dict[str, Value]:
    """All parameters, with their defaults where nothing was said. Raises InvalidError, by `parameters.NAME`."""
    faults = [
        FieldError(
            f"parameters.{name[:40]}", f"There is no such parameter. There are: {', '.join(parameters) or 'none'}."
        )
        for name in said
        if name not in parameters
    ]
    values: dict[str, Value] = {}
    for name, one in parameters.items():
        value = said.get(name, one.default)
        if value is None:
            faults.append(FieldError(f"parameters.{name}", f"Has to be said: {_spelt(one.type)}.", "required"))
        elif fault := one.fault(value):
            faults.append(FieldError(f"parameters.{name}", fault))
        else:
            values[name] = value
    if faults:
        raise InvalidError(faults)
    return values


def filled(body: Any, values: Mapping[str, Value], *, as_text: bool = False) -> Any:
    """The body with the values in the place of the parameters; names of fields stay as they are."""
    if isinstance(body, dict):
        return {name: filled(one, values, as_text=as_text or name in TEXTS) for name, one in body.items()}
    if isinstance(body, list):
        return [filled(one, values, as_text=as_text) for one in body]
    return _filled_in_text(body, values, as_text=as_text) if isinstance(body, str) else body


def unused(body: Any, parameters: Mapping[str, Parameter]) -> list[str]:
    """Parameters of which the body makes nothing."""
    text = repr(body)
    return [name for name in parameters if f"{{{name}}}" not in text]


def _filled_in_text(text: str, values: Mapping[str, Value], *, as_text: bool) -> Any:
    alone = None if as_text else re.fullmatch(r"\{(\w+)\}", text)
    if alone and alone[1] in values:
        return values[alone[1]]
    return re.sub(r"\{(\w+)\}", lambda found: _as_text(values[found[1]]) if found[1] in values else found[0], text)


def _as_text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _faults_of(name: str, body: object) -> Iterator[FieldError]:
    field = f"parameters.{name[:40]}"
    if not NAME.fullmatch(name):
        yield FieldError(field, "Use letters, digits and underscores, at most 40, no digit first.")
        return
    if not isinstance(body, Mapping):
        yield FieldError(field, 'Must be an object, for example {"type": "integer", "default": 2}.')
        return
    known = set(Parameter.__dataclass_fields__) - {"name"}
    for wrong in sorted(body.keys() - known):
        yield FieldError(f"{field}.{wrong[:40]}", f"There is no such field. There are: {', '.join(sorted(known))}.")
    kind = body.get("type", "text")
    if kind not in TYPES:
        yield FieldError(f"{field}.type", f"Must be one of {', '.join(TYPES)}.")
        return
    yield from _faults_of_bounds(field, kind, body)


def _faults_of_bounds(field: str, kind: str, body: Mapping[str, Any]) -> Iterator[FieldError]:
    for bound in ("least", "most"):
        if body.get(bound) is not None and (kind not in {"integer", "number"} or not _is_a("number", body[bound])):
            yield FieldError(f"{field}.{bound}", "Must be a number, of a parameter that is one.")
            return
    if not isinstance(body.get("help", ""), str):
        yield FieldError(f"{field}.help", "Must be text.")
    choices = body.get("choices", [])
    if not isinstance(choices, list) or not all(_is_a(kind, one) for one in choices):
        yield FieldError(f"{field}.choices", f"Must be a list; each of them {_spelt(kind)}.")
        return
    least, most = body.get("least"), body.get("most")
    if least is not None and most is not None and least > most:
        yield FieldError(f"{field}.most", f"Must be at least {least:g}, which is the least.")
        return
    one = Parameter(field, kind, None, least, most, tuple(choices))
    if body.get("default") is not None and (fault := one.fault(body["default"])):
        yield FieldError(f"{field}.default", fault)


def _is_a(kind: str, value: object) -> bool:
    if isinstance(value, bool):
        return kind == "flag"
    if kind == "number":
        return isinstance(value, int | float) and isfinite(value)
    return isinstance(value, TYPES[kind])


def _spelt(kind: str) -> str:
    return {"text": "text", "integer": "a whole number", "number": "a number", "flag": "true or false"}[kind]
