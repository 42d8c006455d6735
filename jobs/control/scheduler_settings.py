"""Setting how the scheduler decides while it runs: in place of what its environment says, with who and why on record."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from jobs.messages import publishing
from jobs.models import SchedulerSetting, SchedulerSettingChange
from jobs.planning.cycle import PLANNER_LOCK
from jobs.planning.policy_settings import is_value
from jobs.state.tunables import TUNABLES
from scheduling.errors import FieldError, InvalidError

ENVIRONMENT, SET = "environment", "set"


@dataclass(frozen=True, slots=True)
class SettingInForce:
    """A setting with the value that holds, and whose that is; `default` is what the environment says.

    `fault` says why what was set does not hold.
    """

    name: str
    value: Any
    default: Any
    source: str
    set_by: str = ""
    set_at: datetime | None = None
    reason: str = ""
    fault: str = ""


def listed_settings() -> list[SettingInForce]:
    """All of them, in the order of the table."""
    rows = {row.name: row for row in SchedulerSetting.objects.all()}
    return [_in_force(name, rows.get(name)) for name in TUNABLES]


def _in_force(name: str, row: SchedulerSetting | None) -> SettingInForce:
    default = default_of(name)
    if row is None:
        return SettingInForce(name, default, default, ENVIRONMENT)
    holds = is_value(name, row.value)
    return SettingInForce(
        name,
        row.value if holds else default,
        default,
        SET if holds else ENVIRONMENT,
        row.set_by,
        row.set_at,
        row.reason,
        "" if holds else f"It was set to {row.value!r}, which it cannot be any more. {TUNABLES[name].fault(row.value)}",
    )


def default_of(name: str) -> Any:
    """What the environment says."""
    return getattr(settings, TUNABLES[name].setting)


@transaction.atomic
def change(wanted: Mapping[str, Any], *, actor: str, reason: str = "") -> list[SchedulerSettingChange]:
    """Set these, all or none; None gives one back to the environment. The next cycle goes by it. Returns what changed.

    Raises InvalidError, by the names of the settings.
    """
    faults = [FieldError(name, *_fault(name, value)) for name, value in wanted.items() if _fault(name, value)[0]]
    if faults:
        raise InvalidError(faults)
    # Between two cycles, and one change after the other: what the second one writes down as old is what the first made.
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [PLANNER_LOCK])
    before = {one.name: one for one in listed_settings()}
    changed = [
        SchedulerSettingChange(name=name, old=before[name].value, new=value, by=actor, reason=reason)
        for name, value in wanted.items()
        if _is_new(before[name], value)
    ]
    for one in changed:
        _write(one)
    SchedulerSettingChange.objects.bulk_create(changed)
    if changed:
        publishing.request_cycle()
    return changed


def _fault(name: str, value: Any) -> tuple[str, str]:
    if name not in TUNABLES:
        return f"There is no such setting. There are: {', '.join(TUNABLES)}.", "unknown"
    return ("" if value is None else TUNABLES[name].fault(value)), "invalid"


def _is_new(before: SettingInForce, value: Any) -> bool:
    """A value is set although the environment says the same: the environment may change."""
    if value is None:
        return before.set_at is not None
    return before.source != SET or before.value != value


def _write(one: SchedulerSettingChange) -> None:
    SchedulerSetting.objects.filter(pk=one.name).delete()
    if one.new is not None:
        SchedulerSetting.objects.create(name=one.name, value=one.new, set_by=one.by, reason=one.reason)
