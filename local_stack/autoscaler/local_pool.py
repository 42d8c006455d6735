"""A `manage.py pool` of the pool's name on this machine, asked over its socket."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from local_stack.autoscaler.actuator import ActuatorError
from local_stack.pools.control_socket import ask
from local_stack.pools.errors import PoolError
from local_stack.pools.home import PoolHome


class LocalPool:
    def __init__(self, home: Path, name: str) -> None:
        self._home = PoolHome(home, name)

    def members(self) -> Mapping[str, bool]:
        return {agent["name"]: agent["state"] == "retiring" for agent in self._ask("status")}

    def up(self, names: Sequence[str]) -> None:
        self._ask("add", numbers=_numbers(names))

    def down(self, names: Sequence[str]) -> None:
        self._ask("retire", numbers=_numbers(names))

    def withdraw(self, most: int) -> Sequence[str]:  # noqa: ARG002  an agent starts at once
        return ()

    def _ask(self, verb: str, **more: Any) -> Any:
        try:
            return ask(self._home, {"verb": verb, **more}, lambda _: None)
        except PoolError as error:
            raise ActuatorError(str(error)) from None


def _numbers(names: Sequence[str]) -> list[int]:
    return [int(name.rpartition("-")[2]) for name in names]
