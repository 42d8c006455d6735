"""Messages are doorbells: no delay, no retry and no result of Celery's own on the way of a job.

An ETA or a countdown keeps the message unacknowledged, and Redis delivers such a message again; a delay is a column.
"""

import ast

from celery import current_app

from tests.architecture import source

DELAYS = {"eta", "countdown", "retry_backoff", "autoretry_for", "max_retries", "retry_kwargs"}
TASK_CALLS = {"shared_task", "task", "apply_async", "send_task", "signature", "Signature", "s", "si", "set"}
NAMES = {
    "trainyard.archive_logs", "trainyard.close_runs", "trainyard.hear", "trainyard.learn_run_times", "trainyard.predict_starts",
    "trainyard.roll_up_usage", "trainyard.count_jobs", "trainyard.watch_budgets", "trainyard.audit_quotas", "trainyard.audit_costs",
    "trainyard.prune", "trainyard.recover", "trainyard.run_cycle", "trainyard.run_placement", "trainyard.scale_pools",
    "trainyard.submit_scheduled", "trainyard.sync_quotas",
}  # fmt: skip
"""Messages carry them from the release that sent them to the one that receives them: they stay."""
WAITS = {"AsyncResult", "GroupResult", "chord", "chain", "allow_join_result"}


def called(call: ast.Call) -> str:
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def test_the_tasks_have_the_names_that_other_releases_send():
    current_app.loader.import_default_modules()
    assert {name for name in current_app.tasks if name.startswith("trainyard.")} == NAMES


def test_no_task_is_delayed_or_retried_by_celery():
    delayed = [
        f"{source.name(path)}:{call.lineno} {keyword.arg}"
        for path, call in source.nodes()[ast.Call]
        if called(call) in TASK_CALLS
        for keyword in call.keywords
        if keyword.arg in DELAYS
    ]
    assert delayed == []


def test_no_task_retries_itself():
    retried = [
        f"{source.name(path)}:{node.lineno}"
        for path, node in source.nodes()[ast.Attribute]
        if node.attr == "retry" and getattr(node.value, "id", "") in {"self", "task"}
    ]
    assert retried == []


def test_nobody_imports_what_waits_for_a_result():
    used = [
        f"{source.name(path)}:{node.lineno} {alias.name}"
        for path, node in source.nodes()[ast.ImportFrom]
        if (node.module or "").startswith("celery")
        for alias in node.names
        if alias.name in WAITS
    ]
    assert used == []
