"""The settings of the scheduler: each becomes a rule of the core, and each unknown name is refused with the known ones."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core import checks as django_checks
from django.core.exceptions import ImproperlyConfigured

from jobs.planning.policy_settings import rules
from scheduler_site import env
from scheduling.rules import HOUR, Backfill, Preemption, Rules, Weights

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.django_db
def test_the_defaults_are_the_platform_s():
    assert rules() == Rules(
        policy="priority",
        usual_bounded_wait_seconds=40 * HOUR,
        ageing_points_per_hour=1,
        preemption=Preemption(strategies=("priority",)),
        floor_slack=0.0,
    )


@pytest.mark.django_db
def test_every_setting_becomes_a_rule(settings):
    settings.SCHEDULING_POLICY, settings.BACKFILL, settings.RESERVE_DEPTH = "fairshare", "sjbf", 3
    settings.BOUNDED_WAIT_SECONDS, settings.ASSUMED_LIMIT_SECONDS, settings.HALF_LIFE_SECONDS = 7200, 60, 120
    settings.BOUNDED_WAIT_STATED = True
    settings.AGEING_POINTS_PER_HOUR, settings.WEIGHTS = 2, {"size": 7}
    settings.PREEMPTION, settings.PREEMPTION_GAP = ["reclaim", "pressure"], 5
    settings.PREEMPTION_MIN_RUNTIME_SECONDS, settings.PREEMPTION_MAX_PER_JOB = 1, 2
    settings.PREEMPTION_MAX_PER_HOUR, settings.PREEMPTION_ONLY_CHECKPOINTABLE = 4, False
    settings.FLOOR_SLACK, settings.FLOOR_TOLERANCE_SECONDS = 0.5, 7
    assert rules() == Rules(
        policy="fairshare",
        backfill=Backfill.SJBF,
        reserve_depth=3,
        bounded_wait_seconds=7200,
        assumed_limit_seconds=60,
        half_life_seconds=120,
        ageing_points_per_hour=2,
        weights=Weights(size=7),
        preemption=Preemption(("reclaim", "pressure"), 5, 1, 2, 4, only_checkpointable=False),
        floor_slack=0.5,
        floor_tolerance_seconds=7,
    )


@pytest.mark.parametrize(
    ("number", "setting", "value", "known"),
    [
        (5, "SCHEDULING_POLICY", "lottery", "fairshare"),
        (35, "BACKFILL", "some", "conservative"),
        (36, "PLACEMENT", "anywhere", "best_fit"),
        (37, "WEIGHTS", {"beauty": 1}, "fair_share"),
        (38, "PREEMPTION", ["priority", "whim"], "reclaim"),
        (39, "REBALANCING", "sometimes", "propose"),
    ],
)
def test_an_unknown_name_is_refused_with_the_known_ones(settings, number, setting, value, known):
    settings.SECRET_KEY = "a-long-and-random-key-9f8e7d6c5b4a3f2e1d0c-0123456789abcdef"
    setattr(settings, setting, value)
    [message] = django_checks.run_checks(tags=["trainyard"])
    assert message.id == f"trainyard.E{number:03}"
    assert known in str(message.hint)


@pytest.mark.django_db
@pytest.mark.parametrize("stated", [True, False])
def test_no_bounded_wait_is_none_for_the_core(settings, stated):
    settings.BOUNDED_WAIT_SECONDS, settings.BOUNDED_WAIT_STATED = 0, stated

    assert (rules().bounded_wait_seconds, rules().usual_bounded_wait_seconds) == (None, None)


def test_promises_may_not_be_later_by_more_than_the_longest_wait(settings):
    settings.SECRET_KEY = "a-long-and-random-key-9f8e7d6c5b4a3f2e1d0c-0123456789abcdef"
    settings.FLOOR_SLACK = 1.5
    [message] = django_checks.run_checks(tags=["trainyard"])
    assert (message.id, "TRAINYARD_FLOOR_SLACK is 1.5" in message.msg) == ("trainyard.E059", True)
    assert "from 0 to 1" in str(message.hint)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TRAINYARD_RESERVE_DEPTH", "0"),
        ("TRAINYARD_WEIGHTS", "age"),
        ("TRAINYARD_FLOOR_SLACK", "-0.1"),
        ("TRAINYARD_FLOOR_TOLERANCE_SECONDS", "soon"),
    ],
)
def test_a_number_that_is_none_is_refused_by_the_name_of_its_variable(variable, value):
    ended = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT, env={**os.environ, variable: value}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode != 0
    assert f"{variable} must" in ended.stderr


@pytest.mark.parametrize(
    ("value", "words"), [(None, ["priority"]), ("", []), ("none", []), ("reclaim, pressure", ["reclaim", "pressure"])]
)
def test_a_list_may_be_empty(monkeypatch, value, words):
    if value is not None:
        monkeypatch.setenv("TRAINYARD_PREEMPTION", value)
    assert env.words_or_none("TRAINYARD_PREEMPTION", "priority") == words


@pytest.mark.parametrize("value", ["age=-1", "age=inf", "age=nan", "age=", "=3,age"])
def test_weights_are_numbers(monkeypatch, value):
    monkeypatch.setenv("TRAINYARD_WEIGHTS", value)
    with pytest.raises(ImproperlyConfigured, match="TRAINYARD_WEIGHTS must"):
        env.numbers_by_word("TRAINYARD_WEIGHTS")
