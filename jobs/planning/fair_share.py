"""What each user of each project has used: a sum on record that decays by itself, and what runs on top of it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from django.conf import settings
from django.db import connection

from jobs.models import Placement
from jobs.planning.job_rows import Held
from scheduling.sharing.fair_tree import Account, decayed
from scheduling.sharing.usage_decay import CPUS_A_GPU, accrued, charged_width, lifetime
from scheduling.snapshot import UsageView

NOTHING = 1.0
"""Accounts with fewer charged seconds have used nothing."""
# The same sums as in scheduling.sharing.usage_decay. PostgreSQL refuses to take e to a power that is lost in nothing: -700 is the least.
CHARGE = """
    INSERT INTO jobs_usagetally AS tally (project_id, owner_id, used, as_of)
    SELECT job.project_id, job.owner_id, sum(
               greatest(cardinality(placement.gpu_indices), placement.cpus / %(cpus_a_gpu)s::float8) * %(life)s
               * (1 - exp(greatest(-700, -extract(epoch FROM statement_timestamp() - placement.created_at)::float8 / %(life)s)))
           ), statement_timestamp()
    FROM jobs_placement AS placement
    JOIN jobs_attempt AS attempt ON attempt.id = placement.attempt_id
    JOIN jobs_job AS job ON job.id = attempt.job_id
    WHERE placement.id = ANY(%(placements)s)
    GROUP BY job.project_id, job.owner_id
    ORDER BY job.project_id, job.owner_id
    ON CONFLICT (project_id, (coalesce(owner_id, 0))) DO UPDATE SET
        used = excluded.used + tally.used * exp(
            greatest(-700, least(0, -extract(epoch FROM excluded.as_of - tally.as_of)::float8 / %(life)s))
        ),
        as_of = greatest(tally.as_of, excluded.as_of)
"""
TALLIES = """
    SELECT project.slug, coalesce(owner.username, ''), tally.used, extract(epoch FROM tally.as_of)::float8
    FROM jobs_usagetally AS tally
    JOIN quotas_project AS project ON project.id = tally.project_id
    LEFT JOIN auth_user AS owner ON owner.id = tally.owner_id
    ORDER BY tally.id
"""


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
                "life": lifetime(settings.HALF_LIFE_SECONDS),
                "cpus_a_gpu": CPUS_A_GPU,
            },
        )


def usage(now: float, held: Iterable[Held]) -> tuple[UsageView, ...]:
    """What every account has used until now: what is on record, and what it has held so far of what it still holds."""
    used = _on_record(now)
    for one in held:
        used[one.account] += charged_width(one.share.amount) * accrued(now - one.since, settings.HALF_LIFE_SECONDS)
    return tuple(UsageView(*account, seconds) for account, seconds in used.items() if seconds >= NOTHING)


def _on_record(now: float) -> defaultdict[Account, float]:
    used: defaultdict[Account, float] = defaultdict(float)
    with connection.cursor() as cursor:
        cursor.execute(TALLIES)
        for project, owner, seconds, as_of in cursor.fetchall():
            used[Account(project, owner)] = decayed(seconds, max(0.0, now - as_of), settings.HALF_LIFE_SECONDS)
    return used
