"""Settings from `trainyard.yaml`: what is read, that the environment goes before it, and what is refused by its line."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command

from jobs.control import scheduler_settings
from jobs.models import SchedulerSetting
from scheduler_site import env, settings_file
from scheduler_site.env import Reading
from scheduler_site.management.commands import config
from tests.architecture.test_documents import settings_that_are_read


@pytest.fixture
def written(tmp_path, monkeypatch):
    def write(text):
        path = tmp_path / "trainyard.yaml"
        path.write_text(text, encoding="utf-8")
        monkeypatch.setattr(env, "FILE", settings_file.read(path, required=True))
        return env.FILE

    return write


def manage(*arguments, **environment):
    return subprocess.run(
        [sys.executable, str(env.BASE_DIR / "manage.py"), *arguments],
        env={**os.environ, **environment}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def refusals(found):
    known = frozenset(env.readings)
    return list(found.faults) or found.unknown(
        known, frozenset(one.name for one in env.readings.values() if one.secret)
    )


def test_a_setting_is_that_of_the_file_unless_the_environment_has_it(written, monkeypatch):
    written("TRAINYARD_LEASE_SECONDS: 45\n")
    assert env.number("TRAINYARD_LEASE_SECONDS", 30) == 45
    monkeypatch.setenv("TRAINYARD_LEASE_SECONDS", "60")
    assert env.number("TRAINYARD_LEASE_SECONDS", 30) == 60


def test_lists_and_numbers_by_word_may_be_written_as_yaml_has_them(written):
    written("TRAINYARD_PREEMPTION: [priority, reclaim]\nTRAINYARD_WEIGHTS: {age: 10, size: 0.5}\n")
    assert env.words_or_none("TRAINYARD_PREEMPTION", "priority") == ["priority", "reclaim"]
    assert env.numbers_by_word("TRAINYARD_WEIGHTS") == {"age": 10, "size": 0.5}


@pytest.mark.parametrize(("line", "words"), [("[]", []), ("none", []), ("''", ["priority"]), ("", ["priority"])])
def test_an_empty_list_is_one_and_nothing_at_all_is_the_default(written, line, words):
    written(f"TRAINYARD_PREEMPTION: {line}\n")
    assert env.words_or_none("TRAINYARD_PREEMPTION", "priority") == words


def test_off_is_the_word_off_where_a_word_is_wanted_and_no_where_that_is(written):
    written("TRAINYARD_REBALANCING: off\nTRAINYARD_DEBUG: off\n")
    assert env.text("TRAINYARD_REBALANCING", "on") == "off"
    assert env.yes_no("TRAINYARD_DEBUG", default=True) is False


@pytest.mark.parametrize(
    ("text", "name", "reader"),
    [
        ("TRAINYARD_LEASE_SECONDS: soon", "TRAINYARD_LEASE_SECONDS must be a number", env.number),
        ("TRAINYARD_LEASE_SECONDS: [30]", "TRAINYARD_LEASE_SECONDS must be one value, not a list", env.number),
        ("TRAINYARD_LEASE_SECONDS: {a: 1}", "TRAINYARD_LEASE_SECONDS must be one value, not a mapping", env.number),
        ("TRAINYARD_PREEMPTION: {a: b}", "TRAINYARD_PREEMPTION must be a list", env.words),
        ("TRAINYARD_PREEMPTION: [[a]]", "TRAINYARD_PREEMPTION must hold plain values", env.words),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_by_its_name_and_line(written, text, name, reader):
    written(f"# settings\n{text}\n")
    with pytest.raises(ImproperlyConfigured, match=f"trainyard.yaml:2: {re.escape(name)}"):
        reader(text.partition(":")[0], 30 if reader is env.number else "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("TRAINYARD_LEASE_SECOND: 3", "yaml:1: TRAINYARD_LEASE_SECOND is no setting. Did you mean TRAINYARD_LEASE_SECONDS?"),
        ("policy: fifo", "yaml:1: policy is no setting."),
        ("DATABASE_PASSWORD: x", "yaml:1: DATABASE_PASSWORD is a secret"),
        ("DATABASE_URL: postgresql://db/x", "yaml:1: DATABASE_URL is a secret"),
        ("MLFLOW_TRACKING_PASSWORD: x", "yaml:1: MLFLOW_TRACKING_PASSWORD is a secret"),
        ("TRAINYARD_LOG_S3_SECRET_KEY: x", "yaml:1: TRAINYARD_LOG_S3_SECRET_KEY is a secret"),
        ("TRAINYARD_SECRET_KEY_FILE: /key", "yaml:1: TRAINYARD_SECRET_KEY is a secret"),
        ("TRAINYARD_MLFLOW_TRACKING_URI: https://a:b@c/", "yaml:1: TRAINYARD_MLFLOW_TRACKING_URI holds a password"),
        ("TRAINYARD_HOME: /x", "yaml:1: TRAINYARD_HOME says where this file is"),
        ("FLOWER_PORT: 1\nFLOWER_PORT: 2", "yaml:2: FLOWER_PORT stands on line 1 already"),
        ("FLOWER_PORT: &a 1\nTRAINYARD_PORT: *a", "yaml:2: cannot be read as YAML: aliases"),
        ("FLOWER_PORT: [1", "cannot be read as YAML"),
        ("- a", "yaml:1: must hold names with their values"),
        ("? [a]\n: 1", "yaml:1: a name must be a word"),
        ("a: " + "[" * 5_000, "lists within lists"),
    ],
)  # fmt: skip
def test_what_does_not_belong_there_is_refused_with_its_line_and_what_would_be_right(written, text, words):
    [told] = refusals(written(text))
    assert words in told


def test_a_file_that_is_named_has_to_be_there_and_readable(tmp_path):
    assert "there is no such file" in settings_file.read(tmp_path / "none.yaml", required=True).faults[0]
    assert settings_file.read(tmp_path / "none.yaml", required=False).faults == ()
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe4\n")
    assert "is not text in UTF-8" in settings_file.read(tmp_path / "latin.yaml", required=True).faults[0]


@pytest.mark.parametrize("role", ["site", "node"])
def test_the_command_says_where_each_setting_comes_from_and_shows_no_secret(tmp_path, role):
    (tmp_path / "trainyard.yaml").write_text("\nSCHEDULING_POLICY: fifo\nTRAINYARD_LOG_STORAGE: files\n")
    told = manage(
        "config", "--json", TRAINYARD_CONFIG=str(tmp_path / "trainyard.yaml"), TRAINYARD_ROLE=role,
        TRAINYARD_SECRET_KEY="never-shown", TRAINYARD_LEASE_SECONDS="45",
    )  # fmt: skip
    found = {one["name"]: one for one in json.loads(told.stdout)}

    assert found["SCHEDULING_POLICY"]["source"] == f"{tmp_path}/trainyard.yaml:2"
    assert (found["TRAINYARD_LEASE_SECONDS"]["value"], found["TRAINYARD_LEASE_SECONDS"]["source"]) == (
        45,
        "environment",
    )
    assert found["TRAINYARD_CYCLE_SECONDS"]["source"] == "default"
    assert (found["TRAINYARD_SECRET_KEY"]["value"], found["TRAINYARD_SECRET_KEY"]["set"]) == (None, True)
    assert "never-shown" not in told.stdout
    assert {name for name in found if "_S3_" not in name} == settings_that_are_read()


def test_an_address_with_a_password_is_a_secret_wherever_it_comes_from():
    assert config.shown(Reading("TRAINYARD_MLFLOW_TRACKING_URI", "https://me:word@host/", "environment")) == "set"


def test_all_that_is_wrong_is_told_at_once_without_a_traceback(tmp_path):
    lines = "TRAINYARD_CYCLE_SECONDS: soon\nTRAINYARD_SIGN_IN_FAILURES: many\nTRAINYARD_LOGLEVEL: INFO\nBROKER_PASSWORD: word\n"
    (tmp_path / "trainyard.yaml").write_text(lines)
    told = manage("check", TRAINYARD_HOME=str(tmp_path))
    assert told.returncode == 1
    for words in (
        "trainyard.E060 {}:1: TRAINYARD_CYCLE_SECONDS must be a number, not 'soon'.",
        "trainyard.E060 {}:2: TRAINYARD_SIGN_IN_FAILURES must be a number",
        "trainyard.E064 {}:3: TRAINYARD_LOGLEVEL is no setting. Did you mean TRAINYARD_LOG_LEVEL?",
        "trainyard.E064 {}:4: BROKER_PASSWORD is a secret",
    ):
        assert words.format(tmp_path / "trainyard.yaml") in told.stderr
    assert "Traceback" not in told.stderr


def test_the_sites_server_reads_the_file_too(tmp_path):
    (tmp_path / "trainyard.yaml").write_text("TRAINYARD_WEB_THREADS: 8\nTRAINYARD_PORT: 8123\n")
    done = subprocess.run(
        [str(Path(sys.executable).parent / "gunicorn"), "--config", "deploy/gunicorn.conf.py", "--print-config", "scheduler_site.wsgi"],
        cwd=env.BASE_DIR, env={**os.environ, "TRAINYARD_HOME": str(tmp_path)}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert re.search(r"^bind += \['0.0.0.0:8123'\]$", done.stdout, re.MULTILINE), done.stdout + done.stderr
    assert re.search(r"^threads += 8$", done.stdout, re.MULTILINE)


@pytest.mark.django_db
def test_what_staff_have_set_is_shown_as_theirs(capsys):
    scheduler_settings.change({"policy": "fifo", "rebalancing_margin": 3}, actor="ops")
    SchedulerSetting.objects.create(name="backfill", value="no mode any more", set_by="ops")
    call_command("config", "--json")
    found = {one["name"]: one for one in json.loads(capsys.readouterr().out)}

    assert (found["SCHEDULING_POLICY"]["value"], found["SCHEDULING_POLICY"]["source"]) == ("fifo", "set by ops")
    assert found["TRAINYARD_REBALANCING_MARGIN"]["value"] == 3
    assert found["TRAINYARD_BACKFILL"]["source"] != "set by ops"


def test_without_a_database_the_rest_is_shown_and_the_lack_told():
    told = manage("config", DATABASE_URL="postgres://nobody@127.0.0.1:1/none")
    assert (told.returncode, "SCHEDULING_POLICY" in told.stdout) == (0, True)
    assert "What staff have set of the scheduler is not known" in told.stderr
