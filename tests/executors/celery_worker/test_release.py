"""An agent says of which release it is, from a checkout and from a wheel."""

from executors.celery_worker import release
from tests.architecture import source

VERSION = source.project()["project"]["version"]


def test_the_source_that_runs_says_its_version(tmp_path, monkeypatch):
    assert release.release() == VERSION
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "7.8.9"\n')
    monkeypatch.setattr(release, "PROJECT", tmp_path / "pyproject.toml")
    assert release.release() == "7.8.9"


def test_what_is_installed_says_its_version_where_there_is_no_source(tmp_path, monkeypatch):
    monkeypatch.setattr(release, "PROJECT", tmp_path / "pyproject.toml")
    assert release.release() == VERSION
