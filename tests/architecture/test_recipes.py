"""The recipes of CONTRIBUTING.md, cooked as they are written: what stands in their blocks is all that it takes."""

import os
import re
import shutil
import subprocess
import sys
import types
from pathlib import Path
from uuid import uuid4

import pytest

from jobs.models import Placement
from jobs.planning import cycle
from jobs.state.outcome import PlacementRef
from tests import builders
from tests.architecture import source

SECTION = re.compile(r"^### (.+)\n((?:(?!^##).*\n)*)", re.MULTILINE)
BLOCK = re.compile(r"^```(python|diff)\n(?:# |--- )(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TEST_FILE = re.compile(r"`(tests/[\w/]+(?:\.py|/))")
RECIPES = dict(SECTION.findall((source.ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")))
OF_THE_CORE = ("Add a policy", "Add a placement strategy")
CORE = ("scheduling", "tests/__init__.py", "tests/scheduling")


def cook(recipe: str, folder: Path) -> list[str]:
    """Carry the recipe out in this copy of the tree; returns the files that it made."""
    made = []
    for kind, name, text in BLOCK.findall(RECIPES[recipe]):
        path = folder / name
        if kind == "diff":
            path.write_text(changed(path.read_text(encoding="utf-8"), text), encoding="utf-8")
            continue
        assert not path.exists(), f"{name} is there already: give the recipe another example"
        path.write_text(text, encoding="utf-8")
        made.append(name)
    return made


def changed(text: str, diff: str) -> str:
    """The text with the lines that are added; those around them have to be there once."""
    lines = diff.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if line[0] != "+")
    assert text.count(before) == 1, f"no such place, or several: {before!r}"
    return text.replace(before, "".join(line[1:] for line in lines if line[0] != "-"))


def outcome_of(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What comes of those tests in a process that sees the copy alone."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:django", "-p", "no:cacheprovider", *arguments]
    surroundings = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.run(
        command, cwd=folder, env=surroundings, capture_output=True, text=True, timeout=100, check=False
    )


@pytest.fixture
def core(tmp_path):
    for name in CORE:
        original, copy = source.ROOT / name, tmp_path / name
        if original.is_dir():
            shutil.copytree(original, copy, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            copy.parent.mkdir(exist_ok=True)
            shutil.copy(original, copy)
    return tmp_path


def test_what_the_recipes_of_the_core_make_passes_their_tests_and_keeps_to_the_hard_rules(core):
    tests = [cook(recipe, core)[-1] for recipe in OF_THE_CORE]
    done = outcome_of(core, *tests, "tests/scheduling/placement/test_strategies.py", "-k", "lifo or roomiest")
    assert done.returncode == 0, done.stdout


def test_their_tests_fail_where_the_new_names_are_not_made_known(core):
    tests = [cook(recipe, core)[-1] for recipe in OF_THE_CORE]
    for recipe in OF_THE_CORE:
        (known,) = {name for kind, name, _ in BLOCK.findall(RECIPES[recipe]) if kind == "diff"}
        shutil.copy(source.ROOT / known, core / known)
    assert "2 failed" in outcome_of(core, *tests).stdout


@pytest.mark.parametrize("recipe", OF_THE_CORE)
def test_what_a_recipe_writes_passes_the_linter(core, recipe):
    shutil.copy(source.ROOT / "pyproject.toml", core)
    made = cook(recipe, core)
    for verb in (["check"], ["format", "--check"]):
        command = [str(Path(sys.executable).with_name("ruff")), *verb, "--no-cache", *made]
        done = subprocess.run(command, cwd=core, capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.django_db
def test_the_smallest_executor_takes_a_job_from_its_place_to_its_end():
    ((_, name, text),) = BLOCK.findall(RECIPES["Add an executor"])
    executor = types.ModuleType("executor")
    exec(compile(text, name, "exec"), executor.__dict__)  # noqa: S102  our own page
    job, agent_id = builders.job(), uuid4()
    node_id = executor.register("dream-1", agent_id)
    cycle.run_cycle()
    placement = Placement.objects.select_related("attempt").get(attempt__job=job)
    executor.run([PlacementRef(placement.pk, str(placement.attempt.token))], node_id=node_id, agent_id=agent_id)
    job.refresh_from_db()
    assert (job.state, job.exit_code) == ("completed", 0)


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_names_the_tests_that_hold_it(recipe):
    named = TEST_FILE.findall(RECIPES[recipe])
    assert named
    assert [name for name in named if not (source.ROOT / name).exists()] == []
