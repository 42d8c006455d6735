"""The image's recipe: what goes in, as whom it runs, and that it holds no secret."""

import json
import re

import pytest

from tests.architecture import source

STEPS = (source.ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
IGNORED = (source.ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()


def arguments(instruction):
    return [line.split(maxsplit=1)[1] for line in STEPS if line.startswith(f"{instruction} ")]


DRILLS = {"chaos", "fuzz"}  # run from a checkout, never where real jobs run


@pytest.mark.parametrize("path", [*(one for one in source.packages() if one not in DRILLS), "deploy", "examples"])
def test_everything_that_runs_goes_into_the_image(path):
    assert f"!{path}/" in IGNORED


def test_an_agent_in_the_image_finds_its_version():
    assert "!pyproject.toml" in IGNORED


def test_what_is_not_named_stays_out():
    assert next(line for line in IGNORED if not line.startswith("#")) == "*"
    assert "**/.env*" in IGNORED


def test_it_runs_as_an_ordinary_user():
    assert STEPS.index("USER trainyard") > max(i for i, line in enumerate(STEPS) if line.startswith("RUN "))


@pytest.mark.parametrize("instruction", ["ENTRYPOINT", "CMD"])
def test_no_shell_stands_between_a_signal_and_its_process(instruction):
    (command,) = arguments(instruction)
    assert all(isinstance(word, str) for word in json.loads(command))


def test_no_secret_is_set_or_asked_for():
    assert arguments("ARG") == []
    assert [line for line in arguments("ENV") if re.search(r"SECRET|PASSWORD|TOKEN|KEY|_URL", line)] == []
