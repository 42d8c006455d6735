"""`trainyard.errors`, as commands know it: what ends a command early."""

from trainyard.errors import OutOfReachError, RefusedError, UnsuccessfulError, UsageError
from trainyard.errors import TrainyardError as CommandError

__all__ = ["CommandError", "OutOfReachError", "RefusedError", "UnsuccessfulError", "UsageError"]
