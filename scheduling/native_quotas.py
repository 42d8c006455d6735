"""Quotas that another system keeps too, for what runs there: what it allows a project, and what others hold of that."""

from dataclasses import dataclass
from typing import NamedTuple


class NativeAmounts(NamedTuple):
    """Of each resource; as a limit, None is no limit."""

    gpus: int | None = None
    cpus: int | None = None
    memory_mb: int | None = None
    running_jobs: int | None = None


NOTHING = NativeAmounts()


@dataclass(frozen=True, slots=True)
class NativeQuota:
    """Of one project. `others` is held there by what is no job of ours: nobody here can name it, or stop it."""

    holder: str  # its name in words, and whose it is
    hard: NativeAmounts
    others: NativeAmounts = NOTHING
