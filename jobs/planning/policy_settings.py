"""How the operator wants plans to be made: the settings as the core's rules."""

from django.conf import settings

from scheduling.rules import Backfill, Preemption, Rules, Weights


def rules() -> Rules:
    """The rules of this installation. Settings that are no rules are refused by the system checks at start."""
    # 0 in the settings is "no bound"; to the core it would mean that everybody has waited too long.
    bound = settings.BOUNDED_WAIT_SECONDS or None
    return Rules(
        policy=settings.SCHEDULING_POLICY,
        backfill=Backfill(settings.BACKFILL),
        reserve_depth=settings.RESERVE_DEPTH,
        bounded_wait_seconds=bound if settings.BOUNDED_WAIT_STATED else None,
        usual_bounded_wait_seconds=None if settings.BOUNDED_WAIT_STATED else bound,
        assumed_limit_seconds=settings.ASSUMED_LIMIT_SECONDS,
        placement=settings.PLACEMENT,
        ageing_points_per_hour=settings.AGEING_POINTS_PER_HOUR,
        half_life_seconds=settings.HALF_LIFE_SECONDS,
        weights=Weights(**settings.WEIGHTS),
        preemption=Preemption(
            strategies=tuple(settings.PREEMPTION),
            priority_gap=settings.PREEMPTION_GAP,
            min_runtime_seconds=settings.PREEMPTION_MIN_RUNTIME_SECONDS,
            max_per_job=settings.PREEMPTION_MAX_PER_JOB,
            max_per_hour=settings.PREEMPTION_MAX_PER_HOUR,
            only_checkpointable=settings.PREEMPTION_ONLY_CHECKPOINTABLE,
        ),
        floor_slack=settings.FLOOR_SLACK,
        floor_tolerance_seconds=settings.FLOOR_TOLERANCE_SECONDS,
    )
