"""Scheduling policies from other packages, found by their entry points and made known at start."""

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points

from scheduling.errors import InvalidError
from scheduling.policies import SchedulingPolicy, register

GROUP = "trainyard.policies"
"""An entry point of this group names a `SchedulingPolicy`: its class, or one that is made already."""

faults: list[str] = []
"""Why plugins of this process could not be loaded, a sentence each; `manage.py check` shows them."""


def load_policies(found: Iterable[EntryPoint] | None = None) -> list[str]:
    """Register every policy that is installed; returns a sentence on each that could not be, and keeps it in `faults`.

    A plugin is anybody's code. One that fails is left out, and the platform starts without it.
    """
    plugins = entry_points(group=GROUP) if found is None else found
    faults[:] = [sentence for plugin in plugins if (sentence := _load(plugin))]
    return faults


def _load(plugin: EntryPoint) -> str:
    try:
        loaded = plugin.load()
        policy = loaded() if isinstance(loaded, type) else loaded
        if not isinstance(policy, SchedulingPolicy):
            return f"Policy plugin {plugin.name!r} ({plugin.value}) is no SchedulingPolicy."
        register(policy)
    except InvalidError as error:
        return f"Policy plugin {plugin.name!r} ({plugin.value}) was refused: {error.errors[0].message}"
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything, and the platform has to start
        return f"Policy plugin {plugin.name!r} ({plugin.value}) cannot be loaded: {type(error).__name__}: {error}"
    return ""
