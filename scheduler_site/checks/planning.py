"""How plans are made: each name in the settings is one that the scheduling core knows."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage

from quotas.providers import chosen
from scheduler_site import plugins
from scheduler_site.checks.findings import error, is_node, unknown_value_errors, warning
from scheduling import placement
from scheduling.planning.stops import preemption
from scheduling.policies import POLICIES
from scheduling.rules import Backfill, Weights

K8S_NAMESPACE = re.compile(r"([a-z0-9-]|\{project\})+")
SLURM_PREFIX = re.compile(r"[A-Za-z0-9_-]+")
NEEDED: Sequence[tuple[str, str, Callable[[str], bool], str, str]] = (
    (
        "k8s", "K8S_QUOTA_NAMESPACE", lambda text: not K8S_NAMESPACE.fullmatch(text), "no namespace",
        "Name one, such as jobs, or one for each project: jobs-{project}.",
    ),
    (
        "slurm", "SLURM_ACCOUNT_PREFIX", lambda text: not SLURM_PREFIX.fullmatch(text), "no beginning of an account's name",
        "Name one, such as ty-: bridges name the same accounts.",
    ),
)  # fmt: skip
"""By provider: a setting, what is wrong with it, and what would be right."""


def check_policy(**_: Any) -> list[CheckMessage]:
    """An agent plans nothing and loads no plugins, so it cannot judge."""
    return [] if is_node() else unknown_value_errors(5, "SCHEDULING_POLICY", [settings.SCHEDULING_POLICY], POLICIES)


def check_backfill(**_: Any) -> list[CheckMessage]:
    return unknown_value_errors(35, "TRAINYARD_BACKFILL", [settings.BACKFILL], [mode.value for mode in Backfill])


def check_placement(**_: Any) -> list[CheckMessage]:
    return unknown_value_errors(36, "TRAINYARD_PLACEMENT", [settings.PLACEMENT], placement.STRATEGIES)


def check_weights(**_: Any) -> list[CheckMessage]:
    return unknown_value_errors(37, "TRAINYARD_WEIGHTS", settings.WEIGHTS, [field.name for field in fields(Weights)])


def check_preemption(**_: Any) -> list[CheckMessage]:
    return unknown_value_errors(38, "TRAINYARD_PREEMPTION", settings.PREEMPTION, preemption.STRATEGIES)


def check_floor(**_: Any) -> Iterator[CheckMessage]:
    if settings.FLOOR_SLACK > 1:
        yield error(
            59,
            f"TRAINYARD_FLOOR_SLACK is {settings.FLOOR_SLACK:g}: promises would be later by more than the longest wait.",
            "Name a part of the longest wait, from 0 to 1.",
        )


def check_rebalancing(**_: Any) -> list[CheckMessage]:
    return unknown_value_errors(39, "TRAINYARD_REBALANCING", [settings.REBALANCING], ("off", "propose", "on"))


def check_plugins(**_: Any) -> Iterator[CheckMessage]:
    for sentence in plugins.faults:
        yield warning(2, sentence, "Correct the plugin, or uninstall its package; the platform runs without it.")


def check_provider(**_: Any) -> list[CheckMessage]:
    """Who it is, and that what it cannot do without is there; agents and bridges ask no provider."""
    if is_node():
        return []
    unknown = unknown_value_errors(6, "QUOTA_PROVIDER", [settings.QUOTA_PROVIDER], chosen.names())
    faults = [] if unknown else [*_not_to_be_loaded(settings.QUOTA_PROVIDER), *_missing(settings.QUOTA_PROVIDER)]
    return unknown or [error(69, message, hint) for message, hint in faults[:1]]


def _missing(name: str) -> Iterator[tuple[str, str]]:
    for provider, setting, is_wrong, what, hint in NEEDED:
        if provider == name and is_wrong(getattr(settings, setting)):
            yield f"QUOTA_PROVIDER is {name}, but {setting} is {what}.", hint


def _not_to_be_loaded(name: str) -> Iterator[tuple[str, str]]:
    """A plugin is anybody's code, and the client of a system may not be installed."""
    try:
        chosen.made(name)
    except Exception as problem:  # noqa: BLE001
        sentence = f"QUOTA_PROVIDER {name!r} cannot be loaded: {type(problem).__name__}: {problem}."
        yield sentence, "Install what it needs (requirements-kubernetes.txt for k8s), or correct the plugin."
