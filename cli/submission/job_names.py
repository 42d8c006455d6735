"""`trainyard.job_names`, as commands know it."""

from trainyard.job_names import NAME_LENGTH, name_of

__all__ = ["NAME_LENGTH", "name_of"]
