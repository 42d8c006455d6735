"""What a tag makes: from one version, with the notes that the changelog has of it."""

import runpy

import pytest
import yaml

from tests.architecture import source

WORKFLOW = yaml.safe_load((source.ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8"))
CHANGELOG = """# Changelog

## Unreleased

- later

## 0.2.0 - 2030-01-31

### Added

- a thing

## [0.1.0]

- no date

## 0.0.9 - 2029-01-01
"""


@pytest.fixture(scope="module")
def notes():
    return runpy.run_path(str(source.ROOT / "packaging/release_notes.py"))["notes"]


def test_the_notes_of_a_release_are_its_section(notes):
    assert notes(CHANGELOG, "0.2.0") == "### Added\n\n- a thing"


@pytest.mark.parametrize(
    ("version", "words"), [("0.3.0", "no section of 0.3.0"), ("0.1.0", "needs a date"), ("0.0.9", "needs a date")]
)
def test_a_version_without_notes_is_no_release(notes, version, words):
    with pytest.raises(LookupError, match=words):
        notes(CHANGELOG, version)


def test_nothing_is_released_that_was_not_checked():
    jobs = WORKFLOW["jobs"]
    assert all(job["needs"] == "check" for name, job in jobs.items() if name != "check")
    steps = [step.get("run", "") for step in jobs["check"]["steps"]]
    assert any("release_notes.py" in step for step in steps)
    assert any("make PYTHON=python check" in step for step in steps)


def test_only_who_writes_something_may():
    assert WORKFLOW["permissions"] == {"contents": "read"}
    writes = {
        name: {what for what, how in job.get("permissions", {}).items() if how == "write"}
        for name, job in WORKFLOW["jobs"].items()
    }
    assert writes == {"check": set(), "wheels": {"contents"}, "image": {"packages"}}


def test_the_image_comes_with_what_is_in_it_and_where_it_is_from():
    (build,) = (step["with"] for step in WORKFLOW["jobs"]["image"]["steps"] if "build-push" in step.get("uses", ""))
    assert (build["sbom"], build["provenance"]) == (True, "mode=max")
