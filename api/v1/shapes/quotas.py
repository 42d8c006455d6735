"""Quotas in flat fields, a number each, as schedulers' own scripts like to read and write them."""

from collections.abc import Callable, Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.fields import empty

from api.http.fields import GigabytesField, GpuHoursField
from api.http.shapes import StrictSerializer, Whole
from jobs.reports.quota_bars import QuotaBar
from quotas.gpu_model_limits import fault_of
from scheduling import gpu_hours, memory_units
from scheduling.errors import FieldError, InvalidError

MOST, MOST_GB, MOST_HOURS = 2**31 - 1, 10**9, 10**9
KINDS = {"cpu": "cpus", "memory": "memory_mb", "gpu": "gpus"}
UNITS = {"cpu": "CPU cores", "memory": "Gigabytes of memory", "gpu": "GPUs"}
IN_UNITS: Mapping[str, tuple[str, Callable[[int], float]]] = {
    "memory_mb": ("memory_gb", memory_units.gigabytes),
    "gpu_seconds_ahead": ("gpu_hours_ahead", gpu_hours.hours),
}
"""Columns that REST has in other units, and by names that say so."""
ALONE = ("max_nodes", "gpu_models")
"""Limits that are named as their columns."""
NESTED = {"cpu_quota": "limits.cpus", "memory_quota": "limits.memory_gb", "gpu_quota": "limits.gpus"}


class GpuModelsField(serializers.DictField):
    """GPUs by model."""

    child = serializers.IntegerField()

    def run_validation(self, data: Any = empty) -> Any:
        if data is not empty and (fault := fault_of(data)):
            raise serializers.ValidationError(fault, "invalid")
        return super().run_validation(data)


class LimitsIn(StrictSerializer):
    """A limit that is null is no limit."""

    gpus = Whole(MOST, required=False, allow_null=True)
    cpus = Whole(MOST, required=False, allow_null=True)
    memory_gb = GigabytesField(MOST_GB, required=False, allow_null=True)
    running_jobs = Whole(MOST, required=False, allow_null=True)
    waiting_jobs = Whole(MOST, required=False, allow_null=True)
    gpu_hours_ahead = GpuHoursField(
        MOST_HOURS,
        required=False,
        allow_null=True,
        help_text="What running jobs may still use up to their limits: GPUs times hours.",
    )


class LoanLimitsIn(StrictSerializer):
    """Of each resource that the quota limits."""

    gpus = Whole(MOST, required=False, allow_null=True)
    cpus = Whole(MOST, required=False, allow_null=True)
    memory_gb = GigabytesField(MOST_GB, required=False, allow_null=True)


def answered_fields() -> dict[str, serializers.Field[Any, Any, Any, Any]]:
    """What an answer has beside its nested amounts, by name."""
    fields: dict[str, serializers.Field[Any, Any, Any, Any]] = {}
    for kind, unit in UNITS.items():
        number = serializers.FloatField if kind == "memory" else serializers.IntegerField
        fields |= {
            f"{kind}_quota": number(allow_null=True, help_text=f"{unit} that it may hold; null: no limit."),
            f"used_{kind}": number(help_text=f"{unit} that it holds."),
            f"available_{kind}": number(allow_null=True, help_text=f"{unit} that are left; null: no limit."),
            f"{kind}_usage_percent": serializers.FloatField(
                allow_null=True, help_text=f"What it holds of its quota; null without one. {unit}."
            ),
        }
    return fields


def wanted_fields() -> dict[str, serializers.Field[Any, Any, Any, Any]]:
    """What a change may say instead of the nested limits."""
    fields: dict[str, serializers.Field[Any, Any, Any, Any]] = {}
    for kind, unit in UNITS.items():
        options: Any = {"required": False, "allow_null": True, "help_text": f"{unit}, as {NESTED[f'{kind}_quota']}."}
        fields[f"{kind}_quota"] = GigabytesField(MOST_GB, **options) if kind == "memory" else Whole(MOST, **options)
    return fields


def flat(
    limits: Mapping[str, int | None], usage: Mapping[str, int | None], left: Mapping[str, int | None]
) -> dict[str, Any]:
    """The amounts of an account, a field each."""
    found: dict[str, Any] = {}
    for kind, name in KINDS.items():
        shown = memory_units.gigabytes if kind == "memory" else int
        limit, used, rest = limits[name], usage[name] or 0, left[name]
        found |= {
            f"{kind}_quota": None if limit is None else shown(limit),
            f"used_{kind}": shown(used),
            f"available_{kind}": None if rest is None else shown(rest),
            f"{kind}_usage_percent": percent(used, limit),
        }
    return found


def percent(used: int, limit: int | None) -> float | None:
    """None without a limit, and where nothing is allowed and nothing held."""
    if limit is None or (limit == 0 and not used):
        return None
    return round(100 * used / limit, 1) if limit else 100.0


def limits_in(wanted: Mapping[str, Any]) -> dict[str, int | None]:
    """The limits of a change, by the names of a quota; raises InvalidError when both forms say different things."""
    nested = _as_columns(wanted.get("limits", {}))
    given = {KINDS[kind]: wanted[f"{kind}_quota"] for kind in KINDS if f"{kind}_quota" in wanted}
    both = [
        f"{kind}_quota"
        for kind, name in KINDS.items()
        if name in nested and given.get(name, nested[name]) != nested[name]
    ]
    if both:
        raise InvalidError(
            [FieldError(name, f"Says something else than {NESTED[name]}.", "contradiction") for name in both]
        )
    return nested | given


def loans_in(wanted: Mapping[str, Any]) -> dict[str, int | None]:
    """The borrowing and lending limits of a change, by the names of a quota's columns."""
    return {
        f"{of}_{name}": value
        for of in ("borrowing", "lending")
        for name, value in _as_columns(wanted.get(f"{of}_limits", {})).items()
    }


def columns_in(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """All that a change sets, by the names of a quota's columns."""
    alone = {name: wanted[name] for name in ALONE if name in wanted}
    return limits_in(wanted) | loans_in(wanted) | user_limits_in(wanted) | alone


def user_limits_in(wanted: Mapping[str, Any]) -> dict[str, int | None]:
    """The limits of a user of a change, by the names of a quota's columns."""
    return {f"user_{name}": value for name, value in _as_columns(wanted.get("user_limits", {})).items()}


def _as_columns(limits: Mapping[str, Any]) -> dict[str, int | None]:
    """The fields have read memory to MB and GPU-hours to seconds by now; they only have other names."""
    columns = {shown: column for column, (shown, _) in IN_UNITS.items()}
    return {columns.get(name, name): value for name, value in limits.items()}


def shown_name(name: str) -> str:
    return IN_UNITS[name][0] if name in IN_UNITS else name


def shown(name: str, amount: int | None) -> float | None:
    """The amount of a quota's column in the unit that it has in REST."""
    return IN_UNITS[name][1](amount) if name in IN_UNITS and amount is not None else amount


def bar(one: QuotaBar) -> dict[str, Any]:
    """One resource, memory in gigabytes."""
    amounts: dict[str, Any] = {
        name: getattr(one, name) for name in ("used", "waiting", "nominal", "held", "borrowed", "over", "lent")
    }
    amounts |= {"borrowing_limit": one.borrowing, "lending_limit": one.lending}
    amounts = {name: shown(one.resource, amount) for name, amount in amounts.items()}
    words = {"quota_of": one.quota_of, "enforced": one.enforced, "sentence": one.sentence}
    return {"resource": shown_name(one.resource), **amounts, **words}
