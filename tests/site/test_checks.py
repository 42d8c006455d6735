"""Each trap in the settings is refused by a system check that has an id and a hint; good settings pass."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core import checks as django_checks
from django.test import override_settings

from quotas.providers import chosen
from scheduler_site.checks import celery, planning, servers, site
from workers.runtime.process import Command
from workers.runtime.shim import supervisor

ROOT = Path(__file__).resolve().parents[2]
GOOD_KEY = "a-long-and-random-key-9f8e7d6c5b4a3f2e1d0c-0123456789abcdef"
FACTS = {"redis_version": "7.2.4", "maxmemory_policy": "noeviction"}


@pytest.fixture(autouse=True)
def good_settings(settings):
    settings.SECRET_KEY = GOOD_KEY


def ids(messages):
    return [message.id for message in messages]


def found(*, deploy=False):
    return ids(django_checks.run_checks(tags=["trainyard"], include_deployment_checks=deploy))


def options(**changes):
    return {"CELERY_BROKER_TRANSPORT_OPTIONS": {**good_options(), **changes}}


def good_options():
    return {
        "priority_steps": list(range(10)),
        "queue_order_strategy": "priority",
        "socket_timeout": 10,
        "socket_connect_timeout": 5,
        "health_check_interval": 10,
    }


def beat_entry(task, **changes):
    return {"task": task, "schedule": 5.0, "options": {"expires": 5.0}, **changes}


def test_good_settings_pass():
    assert found() == []


@pytest.mark.parametrize(
    ("expected", "broken"),
    [
        ("E001", {"SECRET_KEY": "insecure-key-for-a-build-step-or-a-test-only"}),
        ("E062", {"CURRENCY": "euro"}),
        ("E003", {"DEBUG": True, "ALLOWED_HOSTS": ["localhost", "trainyard.example.com"]}),
        ("E003", {"DEBUG": True, "ALLOWED_HOSTS": ["*"]}),
        ("E004", {"TIME_ZONE": "Europe/Berlin"}),
        ("E004", {"CELERY_TIMEZONE": "Europe/Berlin"}),
        ("E005", {"SCHEDULING_POLICY": "lottery"}),
        ("E006", {"QUOTA_PROVIDER": "mainframe"}),
        ("E007", {"LEASE_SECONDS": 29, "HEARTBEAT_SECONDS": 10}),
        ("E029", {"DEAF_SECONDS": 29, "HEARING_SECONDS": 10}),
        ("E040", {"MEMORY_LIMIT": "kill"}),
        ("E050", {"INACTIVE_OWNERS_JOBS": "delete"}),
        ("E067", {"ENGINES": {"mine": "no path"}}),
        ("E041", {"CONTROL_GROUPS": "v1"}),
        ("E078", {"WALLS": "high"}),
        ("E079", {"TRAINYARD_ROLE": "node", "NODE_UNTIL": "4h"}),
        ("E008", {"BROKER_URL": "sqs://key@"}),
        ("E008", {"BROKER_URL": "localhost:6379"}),
        ("E008", {"BROKER_URL": "redis://localhost:port/0"}),
        ("E010", {"CELERY_BEAT_SCHEDULE": {name: beat_entry(name) for name in list(celery.PERIODIC_TASKS)[1:]}}),
        (
            "E011",
            {"CELERY_BEAT_SCHEDULE": {name: beat_entry(name, options={}) for name in celery.PERIODIC_TASKS}},
        ),
        ("E012", {"DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}}),
        ("E017", {"TRAINYARD_ROLE": "nodes"}),
        ("E020", {"CELERY_TASK_ACKS_LATE": True}),
        ("E021", {"CELERY_WORKER_DISABLE_PREFETCH": False}),
        ("E022", {"CELERY_WORKER_PREFETCH_MULTIPLIER": 4}),
        ("E023", {"CELERY_RESULT_BACKEND": "redis://127.0.0.1/1"}),
        ("E024", {"CELERY_TASK_REJECT_ON_WORKER_LOST": True}),
        ("E025", {"CELERY_BROKER_CONNECTION_MAX_RETRIES": 100}),
        ("E026", {"CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS": True}),
        ("E028", {"CELERY_TASK_ALWAYS_EAGER": True}),
        ("E030", options(priority_steps=[0, 3, 6, 9])),
        ("E031", options(queue_order_strategy="round_robin")),
        ("E032", options(socket_timeout=None)),
        ("E032", options(socket_connect_timeout=None)),
        ("E033", options(health_check_interval=0)),
        ("E034", options(retry_on_timeout=True)),
    ],
)
@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
def test_a_broken_setting_is_found(expected, broken):
    with override_settings(**broken):
        assert set(found()) == {f"trainyard.{expected}"}


def test_every_finding_has_a_hint(settings):
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {}
    settings.CELERY_TASK_ACKS_LATE = True
    settings.SCHEDULING_POLICY = settings.QUOTA_PROVIDER = settings.BROKER_URL = "none"
    assert all(message.hint for message in django_checks.run_checks(tags=["trainyard"]))


def test_a_missing_setting_counts_with_celerys_own_default(settings):
    del settings.CELERY_WORKER_PREFETCH_MULTIPLIER
    assert found() == ["trainyard.E022"]


def test_the_traps_of_redis_do_not_bind_rabbitmq(settings):
    settings.BROKER_URL = "amqp://guest@127.0.0.1//"
    settings.CELERY_WORKER_DISABLE_PREFETCH = False
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {"confirm_publish": True}
    assert found() == []


def test_an_unknown_provider_is_refused_with_those_there_are(settings):
    settings.QUOTA_PROVIDER = "slrum"
    (message,) = planning.check_provider()
    assert (message.msg, message.hint) == ("QUOTA_PROVIDER 'slrum' is unknown.", "Available: k8s, local, slurm.")


def test_a_provider_that_cannot_be_loaded_is_said_so_with_why(settings, monkeypatch):
    settings.QUOTA_PROVIDER = "k8s"
    monkeypatch.setitem(chosen.OURS, "k8s", "quotas.providers.nowhere.Quotas")
    chosen.made.cache_clear()
    (message,) = planning.check_provider()
    assert message.id == "trainyard.E069"
    assert "No module named 'quotas.providers.nowhere'" in message.msg


@pytest.mark.parametrize(("provider", "key"), [("k8s", "K8S_QUOTA_NAMESPACE"), ("slurm", "SLURM_ACCOUNT_PREFIX")])
def test_what_a_provider_cannot_do_without_is_named(settings, provider, key):
    settings.QUOTA_PROVIDER = provider
    assert found() == ["trainyard.E069"]
    assert key in planning.check_provider()[0].msg
    setattr(settings, key, "jobs")
    assert found() == []


def test_a_lease_of_exactly_three_heartbeats_is_enough(settings):
    settings.LEASE_SECONDS, settings.HEARTBEAT_SECONDS = 30, 10
    assert found() == []


def test_debug_on_a_laptop_is_fine(settings):
    settings.DEBUG, settings.ALLOWED_HOSTS = True, ["localhost", "127.0.0.1", "[::1]"]
    assert found() == []


def test_a_home_inside_a_file_is_a_warning(settings, tmp_path):
    (tmp_path / "file").write_text("")
    settings.TRAINYARD_HOME = tmp_path / "file" / "home"
    assert found() == ["trainyard.W001"]


def test_a_home_that_does_not_exist_yet_is_fine(settings, tmp_path):
    settings.TRAINYARD_HOME = tmp_path / "new" / "home"
    assert found() == []


def test_an_old_kombu_is_refused():
    assert ids(celery.check_kombu(installed="5.6.2")) == ["trainyard.E009"]
    assert ids(celery.check_kombu(installed="5.10.0")) == []


def test_a_node_needs_no_secret_key(settings):
    settings.TRAINYARD_ROLE, settings.SECRET_KEY = "node", settings.INSECURE_SECRET_KEY
    assert ids(site.check_secret_key()) == ids(site.check_secret_key_length()) == []


def test_deployment_refuses_a_short_key(settings):
    settings.SECRET_KEY = "dev"
    assert "trainyard.E002" in found(deploy=True)


def test_deployment_refuses_a_margin_in_which_a_shim_cannot_stop_its_command(settings):
    settings.LEASE_MARGIN_SECONDS = 6
    assert found(deploy=True) == ["trainyard.E018"]


def test_deployment_asks_the_broker_and_a_good_one_passes():
    assert found(deploy=True) == []


def test_a_broker_url_that_cannot_be_read_is_reported_once(settings):
    settings.BROKER_URL = "redis://localhost:port/0"
    assert found(deploy=True) == ["trainyard.E008"]


def test_deployment_names_a_broker_that_does_not_answer(settings):
    settings.BROKER_URL = "redis://127.0.0.1:1/0"
    (message,) = servers.check_redis()
    assert message.id == "trainyard.E014"
    assert "127.0.0.1:1" in message.msg


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, []),
        ({"redis_version": "6.2.14"}, []),
        ({"redis_version": "6.0.16"}, ["trainyard.E015"]),
        ({"redis_version": "10.0.1"}, []),
        ({"maxmemory_policy": "allkeys-lru"}, ["trainyard.E016"]),
    ],
)
def test_redis_is_judged_by_what_it_says_of_itself(facts, expected):
    assert ids(servers.redis_findings(FACTS | facts)) == expected


def test_the_margin_covers_what_a_shim_needs():
    grace = Command(argv=("true",), cwd="/", env={}, log_limit_bytes=1, grace_seconds=1).lease_grace_seconds
    assert grace + supervisor.LEASE_CHECK_SECONDS < site.SHIM_STOPS_SECONDS


@pytest.mark.django_db
def test_the_database_is_asked_only_when_named():
    assert ids(servers.check_database_answers(databases=["default"])) == []
    assert ids(servers.check_database_answers(databases=None)) == []


def run_check(*arguments, **environment):
    command = [sys.executable, "manage.py", "check", *arguments]
    known = {**os.environ, "TRAINYARD_SECRET_KEY": GOOD_KEY, **environment}
    return subprocess.run(command, cwd=ROOT, env=known, capture_output=True, text=True, timeout=60, check=False)


NOWHERE = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "BROKER_URL": "redis://127.0.0.1:1/0"}


def test_a_plain_check_connects_to_nothing():
    assert run_check("--fail-level", "WARNING", **NOWHERE).returncode == 0


def test_a_deployment_check_names_every_server_that_is_away_without_a_stack_trace():
    done = run_check("--deploy", "--database", "default", **NOWHERE)
    assert done.returncode == 1
    assert "(trainyard.E013) PostgreSQL does not answer" in done.stderr
    assert "(trainyard.E014) The broker does not answer" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_sensible_deployment_passes_without_a_warning():
    done = run_check("--deploy", "--fail-level", "WARNING", TRAINYARD_HTTPS="yes")
    assert (done.returncode, done.stderr) == (0, "")


def test_an_agent_passes_without_the_sites_secrets():
    assert run_check("--fail-level", "WARNING", TRAINYARD_ROLE="node", TRAINYARD_SECRET_KEY="").returncode == 0
