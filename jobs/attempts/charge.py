"""What closed placements have used, put on record for the fair share of their users and projects."""

from collections.abc import Sequence
from typing import LiteralString

from django.conf import settings
from django.db import connection

from jobs.models import Placement
from scheduling.sharing.usage_decay import CPUS_A_GPU, time_constant

WIDTH = "greatest(cardinality(placement.gpu_indices), placement.cpus / %(cpus_a_gpu)s::float8)"


def decayed(age: LiteralString) -> str:
    """The part that is left of something after that time, for a statement; what is in the future is whole.

    PostgreSQL refuses to take e to a power that is lost in nothing: -700 is the least.
    """
    return f"exp(greatest(-700, least(0, -extract(epoch FROM {age})::float8 / %(life)s)))"


# What is on record is decayed to this moment first, then what is new is added: so no account need be touched between ends.
# The same sums as in scheduling.sharing.usage_decay. By the moment at which each was closed, so that it can be worked out again;
# of one that was requeued as its GPUs idled, by the moment at which they began to.
UNTIL = "least(placement.charged_until, placement.closed_at, statement_timestamp())"
CHARGE = f"""
    INSERT INTO jobs_usagetally AS tally (project_id, owner_id, used, as_of)
    SELECT job.project_id, job.owner_id, sum({WIDTH} * %(life)s * (
               1 - {decayed(f"{UNTIL} - placement.created_at")}
           ) * {decayed(f"statement_timestamp() - {UNTIL}")}), statement_timestamp()
    FROM jobs_placement AS placement
    JOIN jobs_attempt AS attempt ON attempt.id = placement.attempt_id
    JOIN jobs_job AS job ON job.id = attempt.job_id
    WHERE placement.id = ANY(%(placements)s)
    GROUP BY job.project_id, job.owner_id
    ORDER BY job.project_id, job.owner_id
    ON CONFLICT (project_id, (coalesce(owner_id, 0))) DO UPDATE SET
        used = excluded.used + tally.used * {decayed("excluded.as_of - tally.as_of")},
        as_of = greatest(tally.as_of, excluded.as_of)
"""  # noqa: S608  made of constants


def charge(placements: Sequence[Placement]) -> None:
    """Put on record what these placements, which are being closed, have used. The last step of the transaction.

    One statement however many they are, in the order of the accounts, so that two callers never wait in a circle.
    """
    if not placements:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            CHARGE,
            {
                "placements": [row.pk for row in placements],
                "life": time_constant(settings.HALF_LIFE_SECONDS),
                "cpus_a_gpu": CPUS_A_GPU,
            },
        )
