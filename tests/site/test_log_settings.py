"""Where logs go, by the environment; what cannot work is refused before the start."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core import checks

ROOT = Path(__file__).resolve().parents[2]
SHOW = (
    "import json; from scheduler_site import settings as s;"
    " print(json.dumps([s.STORAGES['logs'], s.LOG_LIMIT_MB, s.LOG_RETENTION_DAYS, s.LOG_FOLLOWERS], default=str))"
)


def read(**variables):
    known = {"PATH": os.environ["PATH"], "TRAINYARD_HOME": "/yard", **variables}
    done = subprocess.run([sys.executable, "-c", SHOW], cwd=ROOT, env=known, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_the_defaults_keep_logs_in_the_home_for_a_month():
    [storage, *numbers] = read()
    assert (storage["OPTIONS"]["location"], numbers) == ("/yard/logs", [64, 30, 28])


def test_a_bucket_is_named_by_settings_and_its_keys_come_from_files(tmp_path):
    (tmp_path / "key").write_text("the secret\n")
    variables = {
        "TRAINYARD_LOG_STORAGE": "s3",
        "TRAINYARD_LOG_S3_BUCKET": "logs",
        "TRAINYARD_LOG_S3_SECRET_KEY_FILE": str(tmp_path / "key"),
    }
    [storage, *_] = read(**variables)
    assert storage["BACKEND"] == "jobs.storage.s3.S3Objects"
    assert (storage["OPTIONS"]["bucket_name"], storage["OPTIONS"]["secret_key"]) == ("logs", "the secret")


def test_an_agent_needs_no_keys():
    variables = {"TRAINYARD_LOG_STORAGE": "s3", "TRAINYARD_LOG_S3_SECRET_KEY_FILE": "/not/for/agents"}
    assert read(TRAINYARD_ROLE="node", **variables)[0]["OPTIONS"]["location"] == "/yard/logs"


@pytest.mark.parametrize(
    ("expected", "settings_given"),
    [("E055", {"LOG_STORAGE": "tape"}), ("E056", {"LOG_STORAGE": "s3", "LOG_S3": {"bucket_name": ""}})],
)
def test_what_cannot_work_is_refused(settings, expected, settings_given):
    settings.SECRET_KEY = "a-long-and-random-key-9f8e7d6c5b4a3f2e1d0c-0123456789abcdef"
    for name, value in settings_given.items():
        setattr(settings, name, value)
    assert [message.id for message in checks.run_checks(tags=["trainyard"])] == [f"trainyard.{expected}"]
