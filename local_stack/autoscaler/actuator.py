"""What an autoscaler can do to a pool's nodes."""

from collections.abc import Mapping, Sequence
from typing import Protocol


class ActuatorError(Exception):
    """It could not be done, or nobody knows whether it was; a sentence for the operator."""


class Actuator(Protocol):
    """Makes nodes come and go, by name. Whatever is asked for twice is done once."""

    def members(self) -> Mapping[str, bool]:
        """The nodes that are there or are on their way, each with whether it is going already. Raises ActuatorError."""

    def up(self, names: Sequence[str]) -> None:
        """Have these come, as far as they are not there. Raises ActuatorError."""

    def down(self, names: Sequence[str]) -> None:
        """Have these go, as far as they are there; they take no work any more. Raises ActuatorError."""

    def withdraw(self, most: int) -> Sequence[str]:
        """Take back so many, at the most, of those that only wait for room to come into; which. Raises ActuatorError."""
