"""The provider that QUOTA_PROVIDER names: one of ours, or a plugin's."""

from functools import lru_cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:  # checks of settings ask for names before there are rows
    from quotas.providers.base import QuotaProvider

GROUP = "trainyard.quota_providers"
LOCAL = "local"
OURS = {
    LOCAL: "quotas.providers.local.LocalQuotas",
    "k8s": "quotas.providers.kubernetes.KubernetesQuotas",
    "slurm": "quotas.providers.slurm.SlurmQuotas",
}
"""Loaded by name, so that nobody needs the client of a system that he has not got."""


def names() -> list[str]:
    """All that may be chosen here."""
    return [*OURS, *sorted(one.name for one in entry_points(group=GROUP))]


def provider() -> "QuotaProvider":
    """The chosen one, made once in a process."""
    return made(settings.QUOTA_PROVIDER)


def is_local() -> bool:
    """Whether nobody else is to be asked."""
    return bool(settings.QUOTA_PROVIDER == LOCAL)


@lru_cache(maxsize=4)
def made(name: str) -> "QuotaProvider":
    """The provider of that name; raises ValueError where a plugin's is not there, or there twice."""
    if name in OURS:
        module, _, kind = OURS[name].rpartition(".")
        ours: QuotaProvider = getattr(import_module(module), kind)()
        return ours
    [plugin] = entry_points(group=GROUP, name=name)
    loaded: QuotaProvider = plugin.load()()
    return loaded
