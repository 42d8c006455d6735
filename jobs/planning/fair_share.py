"""What each user of each project has used: a sum on record that decays by itself, and what runs on top of it."""

from collections import defaultdict
from collections.abc import Iterable

from django.conf import settings
from django.db import connection

from jobs.planning.job_rows import AccountUsage
from scheduling.sharing.fair_tree import Account, decayed
from scheduling.sharing.usage_decay import decayed_seconds, gpu_equivalents
from scheduling.snapshot import UsageView

NOTHING = 1.0
"""Accounts with fewer charged seconds have used nothing."""
TALLIES = """
    SELECT project.slug, coalesce(owner.username, ''), tally.used, extract(epoch FROM tally.as_of)::float8
    FROM jobs_usagetally AS tally
    JOIN quotas_project AS project ON project.id = tally.project_id
    LEFT JOIN auth_user AS owner ON owner.id = tally.owner_id
    ORDER BY tally.id
"""


def usage(now: float, held: Iterable[AccountUsage]) -> tuple[UsageView, ...]:
    """What every account has used until now: what is on record, and what it has held so far of what it still holds."""
    # What still runs is reckoned, not written: it would be a write for each running job in each cycle.
    used = _on_record(now)
    for one in held:
        used[one.account] += gpu_equivalents(one.share.amount) * decayed_seconds(
            now - one.since, settings.HALF_LIFE_SECONDS
        )
    return tuple(UsageView(*account, seconds) for account, seconds in used.items() if seconds >= NOTHING)


def _on_record(now: float) -> defaultdict[Account, float]:
    used: defaultdict[Account, float] = defaultdict(float)
    with connection.cursor() as cursor:
        cursor.execute(TALLIES)
        for project, owner, seconds, as_of in cursor.fetchall():
            used[Account(project, owner)] = decayed(seconds, max(0.0, now - as_of), settings.HALF_LIFE_SECONDS)
    return used
