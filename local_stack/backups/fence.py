"""What is done to a restored database, in the transaction that restores it, so that nothing of the lost span meets it.

Between a backup and its restore the platform went on. Its agents and its broker still hold what came of that:

- Numbers that were given out since would be given out again, and a job would find the checkpoints of another one in its
  folder, a placement the state files of another one on its node. So all numbers go on far behind those of the backup, and
  behind those of the database that it replaces.
- Attempts that are open in the backup may have ended since, or run still. Each gets a new token: whatever an agent holds of
  it is stale from then on, as if somebody else had taken it. Its agent stops it as soon as it hears of that, its node's
  shim at the end of its lease at the latest. Its lease runs from the restore, so the sweep gives the job up only when it is
  certainly gone, and it goes back in line at the platform's cost.
"""

from django.conf import settings

ID_GAP = 1_000_000
"""More than is given out between a backup and its restore."""
REMEMBER_IDS = """
    CREATE TEMPORARY TABLE ids_before ON COMMIT DROP AS
    SELECT sequencename, last_value FROM pg_catalog.pg_sequences WHERE schemaname = 'public';
"""
# The restored script has emptied `search_path`: every name is whole. Tables that a backup of another release lacks are let be.
FENCE = """
DO $$
DECLARE one record;
BEGIN
    FOR one IN
        SELECT now.sequencename AS name, greatest(now.last_value, before.last_value, 0) AS given
        FROM pg_catalog.pg_sequences AS now
        LEFT JOIN pg_temp.ids_before AS before USING (sequencename)
        WHERE now.schemaname = 'public' AND now.sequencename ~ '^(jobs|quotas|workers)_' AND now.max_value > 2147483647
    LOOP
        PERFORM pg_catalog.setval(pg_catalog.format('public.%%I', one.name)::regclass, one.given + %(gap)d);
    END LOOP;
    IF pg_catalog.to_regclass('public.jobs_placement') IS NOT NULL THEN
        INSERT INTO public.jobs_jobevent (job_id, at, kind, from_state, to_state, attempt, actor, message, data)
        SELECT job.id, now(), 'restored', '', '', attempt.number, '',
               'The database was restored from a backup in which this attempt was open: it is not taken up again.', '{}'
        FROM public.jobs_attempt AS attempt JOIN public.jobs_job AS job ON job.id = attempt.job_id
        WHERE attempt.ended_at IS NULL ORDER BY job.id;
        UPDATE public.jobs_attempt SET token = pg_catalog.gen_random_uuid() WHERE ended_at IS NULL;
        UPDATE public.jobs_placement SET lease_expires_at = now() + interval '%(lease)f seconds'
        WHERE closed_at IS NULL AND state IN ('claimed', 'running');
    END IF;
END $$;
"""


def fence_sql() -> str:
    return FENCE % {"gap": ID_GAP, "lease": settings.LEASE_SECONDS}
