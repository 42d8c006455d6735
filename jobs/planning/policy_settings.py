"""How the operator wants plans to be made: what staff have set in the database, else the settings, as the core's rules."""

from typing import Any

from django.conf import settings

from jobs.models import SchedulerSetting
from jobs.state.tunables import TUNABLES
from scheduling.rules import Backfill, Preemption, Rules, Weights


def in_force() -> dict[str, Any]:
    """The value of each setting that staff may set, by its name.

    A row that is no value any more (a policy whose package is gone) does not count: the environment's does.
    """
    found = {name: getattr(settings, one.setting) for name, one in TUNABLES.items()}
    return found | {
        name: value for name, value in SchedulerSetting.objects.values_list("name", "value") if is_value(name, value)
    }


def is_value(name: str, value: Any) -> bool:
    """Whether that setting is there, and may have this value."""
    return name in TUNABLES and not TUNABLES[name].fault(value)


def rules() -> Rules:
    """The rules of this installation. Settings that are no rules are refused by the system checks at start, or as they are set."""
    found = in_force()
    # 0 in the settings is "no bound"; to the core it would mean that everybody has waited too long.
    bound = found["bounded_wait_seconds"] or None
    stated = settings.BOUNDED_WAIT_STATED or found["bounded_wait_seconds"] != settings.BOUNDED_WAIT_SECONDS
    return Rules(
        policy=found["policy"],
        backfill=Backfill(found["backfill"]),
        reserve_depth=found["reserve_depth"],
        bounded_wait_seconds=bound if stated else None,
        usual_bounded_wait_seconds=None if stated else bound,
        assumed_limit_seconds=found["assumed_limit_seconds"],
        placement=found["placement"],
        ageing_points_per_hour=found["ageing_points_per_hour"],
        half_life_seconds=settings.HALF_LIFE_SECONDS,
        weights=Weights(**found["weights"]),
        preemption=Preemption(
            strategies=tuple(found["preemption"]),
            priority_gap=found["preemption_gap"],
            min_runtime_seconds=found["preemption_min_runtime_seconds"],
            max_per_job=found["preemption_max_per_job"],
            max_per_hour=found["preemption_max_per_hour"],
            only_checkpointable=found["preemption_only_checkpointable"],
        ),
        floor_slack=found["floor_slack"],
        floor_tolerance_seconds=found["floor_tolerance_seconds"],
    )
