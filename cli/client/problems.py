"""`trainyard.http.problems`, as commands know it."""

from trainyard.http.problems import raise_for

__all__ = ["raise_for"]
