"""Settings come from the environment: what is read, and what is refused."""

import os
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured
from environ import Env

from scheduler_site import env


@pytest.fixture
def database_url(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://trainyard@db:5432/trainyard")
    return lambda: env.service_url("DATABASE_URL", "", "DATABASE_PASSWORD")


def test_a_url_without_a_password_apart_stays_as_it_is(database_url):
    assert database_url() == "postgresql://trainyard@db:5432/trainyard"


def test_a_password_apart_may_hold_any_character(database_url, monkeypatch):
    monkeypatch.setenv("DATABASE_PASSWORD", "p@ss/w#rd:?%41 ü")
    assert Env.db_url_config(database_url())["PASSWORD"] == "p@ss/w#rd:?%41 ü"


def test_a_password_apart_comes_from_a_file_and_replaces_the_one_in_the_url(monkeypatch, tmp_path):
    (tmp_path / "password").write_text("from-file\n")
    monkeypatch.setenv("BROKER_URL", "redis://:in-url@redis:6379/0")
    monkeypatch.setenv("BROKER_PASSWORD_FILE", str(tmp_path / "password"))
    assert env.service_url("BROKER_URL", "", "BROKER_PASSWORD") == "redis://:from-file@redis:6379/0"


def test_a_secret_file_that_cannot_be_read_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("TRAINYARD_SECRET_KEY_FILE", str(tmp_path / "missing"))
    with pytest.raises(ImproperlyConfigured, match=r"TRAINYARD_SECRET_KEY_FILE points to .*missing"):
        env.secret("TRAINYARD_SECRET_KEY")


@pytest.mark.parametrize("raw", ["ten", "-1", "inf", "nan"])
def test_a_number_that_is_none_is_refused_with_the_variables_name(monkeypatch, raw):
    monkeypatch.setenv("TRAINYARD_LEASE_SECONDS", raw)
    with pytest.raises(ImproperlyConfigured, match="TRAINYARD_LEASE_SECONDS must be"):
        env.number("TRAINYARD_LEASE_SECONDS", 30)


@pytest.mark.parametrize("raw", ["0", "65536", "8000.5", "web"])
def test_a_port_that_is_none_is_refused(monkeypatch, raw):
    monkeypatch.setenv("FLOWER_PORT", raw)
    with pytest.raises(ImproperlyConfigured, match="FLOWER_PORT must be a port from 1 to 65535"):
        env.port("FLOWER_PORT", 5555)


def test_all_nonsense_is_told_at_once_in_words():
    nonsense = {
        "TRAINYARD_LEASE_SECONDS": "soon",
        "TRAINYARD_DEBUG": "maybe",
        "TRAINYARD_LOG_LEVEL": "loud",
        "TRAINYARD_WEIGHTS": "a=b",
    }
    command = [sys.executable, str(env.BASE_DIR / "manage.py"), "check"]

    done = subprocess.run(command, env={**os.environ, **nonsense}, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert [name for name in nonsense if f"trainyard.E060 {name} must be" in done.stderr] == list(nonsense)
    assert "HINT" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_word_that_is_neither_yes_nor_no_is_refused(monkeypatch):
    monkeypatch.setenv("TRAINYARD_DEBUG", "maybe")
    with pytest.raises(ImproperlyConfigured, match="TRAINYARD_DEBUG must be yes or no, not 'maybe'"):
        env.yes_no("TRAINYARD_DEBUG", default=False)
