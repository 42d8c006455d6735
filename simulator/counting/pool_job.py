"""What has to be known of a job where only processors are counted."""

from typing import Any, NamedTuple, TypeAlias

from scheduling.nodes.profile import FOREVER

Place: TypeAlias = tuple[Any, ...]
"""What jobs are sorted by, the smallest first. It ends with the job's number, so no two are alike."""


class PoolJob(NamedTuple):
    """A job that asks for `width` processors, for at most `limit` seconds as far as anybody can say."""

    number: int
    width: int
    limit: float
    submitted_at: float
    place: Place  # by its policy
    expected: float = 0.0  # its run time, which shortest-job backfilling goes by
    bound: float = FOREVER  # once it has waited for so long it goes ahead of the others
    assumed: bool = False  # nobody stops it at its limit
