"""Imports point down: site, jobs, (quotas | workers), scheduling; the contracts stand in pyproject.toml."""

import shutil
import subprocess
import sys

import pytest

from tests.architecture import source


def lint(folder):
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as lint; lint()", "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)


@pytest.fixture
def copy(tmp_path):
    """The product's packages and contracts in a folder of their own, to be broken there."""
    for package in source.packages():
        shutil.copytree(source.ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(source.ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_import_keeps_the_contracts():
    done = lint(source.ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("scheduling/errors.py", "import jobs.models", "Imports point down"),
        ("quotas/models.py", "import workers.models", "Imports point down"),
        ("jobs/models/job.py", "import scheduler_site.env", "Imports point down"),
        ("scheduling/lifecycle.py", "import time", "The core decides without"),
        ("scheduling/lifecycle.py", "import django.conf", "The core decides without"),
        ("cli/__init__.py", "import jobs.models", "The command line speaks HTTP only"),
        ("cli/views/tables.py", "import simulator.replay", "The command line speaks HTTP only"),
        ("simulator/clock.py", "import time", "The simulator drives the core alone"),
        ("simulator/clock.py", "import django.conf", "The simulator drives the core alone"),
        ("scheduling/errors.py", "import simulator.clock", "The core decides without"),
        ("jobs/models/job.py", "import cli", "Nobody imports the command line"),
    ],
)
def test_an_import_that_points_up_is_caught(copy, file, line, contract):
    with (copy / file).open("a", encoding="utf-8") as code:
        code.write(f"\n{line}\n")
    done = lint(copy)
    assert done.returncode == 1
    assert any(contract in line and "BROKEN" in line for line in done.stdout.splitlines()), done.stdout
