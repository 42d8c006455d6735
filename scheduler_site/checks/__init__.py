"""Settings proven at start: each check has an id, says what is wrong, and hints at what would be right.

Plain `manage.py check` connects to nothing. `check --deploy` also asks the broker, and `check --database default` asks
PostgreSQL. May import whatever knows which values are allowed: jobs, workers, scheduling.
"""

from django.core import checks

from scheduler_site.checks import celery, code, costs, logs, nodes, planning, secrets_keys, servers, site

ALWAYS = (
    site.check_secret_key,
    site.check_role,
    site.check_debug,
    site.check_home,
    site.check_time_zone,
    planning.check_policy,
    planning.check_backfill,
    planning.check_placement,
    planning.check_weights,
    planning.check_preemption,
    planning.check_floor,
    planning.check_rebalancing,
    planning.check_plugins,
    planning.check_provider,
    nodes.check_memory_limit,
    nodes.check_control_groups,
    site.check_inactive_owners,
    nodes.check_run_as,
    nodes.check_walls,
    nodes.check_job_folders,
    nodes.check_spot_notice,
    nodes.check_node_until,
    nodes.check_engines,
    site.check_lease,
    site.check_queue_probe,
    celery.check_celery,
    celery.check_publish_retry,
    celery.check_broker_options,
    celery.check_broker_url,
    celery.check_kombu,
    celery.check_beat,
    celery.check_beat_expiry,
    servers.check_database_url,
    logs.check_log_storage,
    code.check_code_storage,
    secrets_keys.check_secrets_keys,
    costs.check_currency,
)


def register() -> None:
    """Hand every check to Django; called once, when the site's app is ready."""
    for check in ALWAYS:
        checks.register(check, "trainyard")
    checks.register(site.check_secret_key_length, "trainyard", deploy=True)
    checks.register(site.check_lease_margin, "trainyard", deploy=True)
    checks.register(servers.check_redis, "trainyard", deploy=True)
    checks.register(servers.check_database_answers, checks.Tags.database)
    checks.register(costs.check_currency_of_the_ledger, checks.Tags.database)
