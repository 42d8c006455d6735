"""What fair share has on record of each account, worked out again from the placements, and from the ledger where those are gone."""

from dataclasses import dataclass

from django.conf import settings
from django.db import connection, transaction

from jobs.attempts.charge import UNTIL, WIDTH, decayed
from scheduling.sharing.usage_decay import CPUS_A_GPU, time_constant

LEAST_SECONDS = 1.0
"""Accounts that differ by less agree: it is what `jobs.planning.fair_share` takes for nothing."""
PART = 0.001
"""Likewise, as a part of what is on record."""
# Who is charging an end waits; what it closes is not seen here, and is added on top.
LOCK = "LOCK TABLE jobs_usagetally IN SHARE ROW EXCLUSIVE MODE"
ACCOUNTS = f"""
    WITH ended AS (
        SELECT job.project_id, job.owner_id, placement.created_at AS since, {UNTIL} AS until, {WIDTH} AS width
        FROM jobs_placement AS placement
        JOIN jobs_attempt AS attempt ON attempt.id = placement.attempt_id
        JOIN jobs_job AS job ON job.id = attempt.job_id
        WHERE placement.closed_at IS NOT NULL
        UNION ALL
        SELECT project.id, owner.id, settled.held_from, settled.held_until, greatest(
            (SELECT coalesce(sum(number::int), 0) FROM jsonb_each_text(settled.holding -> 'gpus') AS gpu (model, number)),
            (settled.holding ->> 'cpus')::float8 / %(cpus_a_gpu)s
        )
        FROM quotas_ledgertransaction AS settled
        JOIN quotas_project AS project ON project.id = settled.project
        LEFT JOIN auth_user AS owner ON owner.username = settled.user_name
        WHERE settled.kind = 'settle' AND NOT EXISTS (SELECT FROM jobs_placement WHERE id = settled.placement)
    ),
    worked_out AS (
        SELECT project_id, owner_id, sum(
            width * %(life)s * (1 - {decayed("until - since")}) * {decayed("statement_timestamp() - until")}
        ) AS used FROM ended GROUP BY project_id, owner_id
    )
    SELECT coalesce(told.project_id, worked_out.project_id), coalesce(told.owner_id, worked_out.owner_id), project.slug,
           coalesce(owner.username, ''), coalesce(told.used * {decayed("statement_timestamp() - told.as_of")}, 0),
           coalesce(worked_out.used, 0)
    FROM jobs_usagetally AS told
    FULL JOIN worked_out ON worked_out.project_id = told.project_id
        AND coalesce(worked_out.owner_id, 0) = coalesce(told.owner_id, 0)
    JOIN quotas_project AS project ON project.id = coalesce(told.project_id, worked_out.project_id)
    LEFT JOIN auth_user AS owner ON owner.id = coalesce(told.owner_id, worked_out.owner_id)
    ORDER BY 1, 2
"""  # noqa: S608  made of constants
WRITE = """
    INSERT INTO jobs_usagetally (project_id, owner_id, used, as_of)
    SELECT project_id, owner_id, used, statement_timestamp()
    FROM unnest(%s::bigint[], %s::bigint[], %s::float8[]) AS said (project_id, owner_id, used)
    ON CONFLICT (project_id, (coalesce(owner_id, 0))) DO UPDATE SET used = excluded.used, as_of = excluded.as_of
"""


@dataclass(frozen=True, slots=True)
class AccountDrift:
    """An account of which something else is on record than its placements say, in charged seconds as they count now."""

    project_id: int
    owner_id: int | None
    project: str
    owner: str
    on_record: float
    worked_out: float


@transaction.atomic
def audit(*, repair: bool = False) -> list[AccountDrift]:
    """The accounts that drift; with `repair` they are as worked out from now on. What runs is in neither."""
    known = {"life": time_constant(settings.HALF_LIFE_SECONDS), "cpus_a_gpu": CPUS_A_GPU}
    with connection.cursor() as cursor:
        cursor.execute(LOCK)
        cursor.execute(ACCOUNTS, known)
        found = [AccountDrift(*row) for row in cursor.fetchall()]
    drifts = [
        one for one in found if abs(one.on_record - one.worked_out) > max(LEAST_SECONDS, PART * abs(one.on_record))
    ]
    if repair and drifts:
        with connection.cursor() as cursor:
            columns = [(one.project_id, one.owner_id, one.worked_out) for one in drifts]
            cursor.execute(WRITE, [list(column) for column in zip(*columns, strict=True)])
    return drifts
