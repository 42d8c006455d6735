"""The release before this one, out of the repository's history: what fleets run when this one comes to them."""

import subprocess
from pathlib import Path

import pytest

from tests.acceptance.platform import ROOT

NAMED = Path(__file__).with_name("last_release.txt")
REQUIREMENTS = "requirements.txt"


def last_release() -> str:
    """The tag or commit that `last_release.txt` names: its first line that is no comment."""
    lines = NAMED.read_text(encoding="utf-8").splitlines()
    return next(line.strip() for line in lines if line.strip() and not line.startswith("#"))


def checked_out(folder: Path) -> Path:
    """The source of the last release, in `folder`. Skips the test where it is not to be had, and says why."""
    commit = last_release()
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode != 0:
        said = archive.stderr.decode(errors="replace").strip().splitlines()
        pytest.skip(f"the last release, {commit}, is not in this clone's history (a shallow one?): {said[-1:]}")
    if lacking := _requirements_of(commit) - _pins((ROOT / REQUIREMENTS).read_text(encoding="utf-8")):
        pytest.skip(
            f"the last release, {commit}, wants other packages than are installed: {', '.join(sorted(lacking))}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
    return folder


def _requirements_of(commit: str) -> set[str]:
    shown = ["git", "show", f"{commit}:{REQUIREMENTS}"]
    return _pins(subprocess.run(shown, cwd=ROOT, capture_output=True, check=True, text=True).stdout)


def _pins(text: str) -> set[str]:
    return {line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")}
