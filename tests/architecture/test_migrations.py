"""Migrations say what they do, and the models have no change that they lack."""

import os
import re
import subprocess
import sys
from collections import Counter

import pytest

from tests.architecture import source


def migrations():
    return [path for package in source.packages() for path in (source.ROOT / package).rglob("migrations/[0-9]*.py")]


def test_every_migration_says_in_its_name_what_it_does():
    assert migrations()
    unnamed = [source.name(path) for path in migrations() if re.search(r"_auto_|_and_more", path.stem)]
    assert unnamed == []


def test_every_migration_of_an_app_has_its_own_number():
    numbers = Counter((path.parent, path.stem[:4]) for path in migrations())
    assert {f"{source.name(folder)}/{number}": n for (folder, number), n in numbers.items() if n > 1} == {}


@pytest.mark.parametrize("seed", ["1", "2"])
def test_the_models_have_no_change_that_is_not_migrated(seed):
    """Whatever order Python's sets have in a process: a condition made of a set would come and go."""
    command = [sys.executable, "manage.py", "makemigrations", "--check", "--dry-run"]
    known = {**os.environ, "PYTHONHASHSEED": seed}
    done = subprocess.run(command, cwd=source.ROOT, env=known, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "No changes detected\n")
