"""When a command last wrote a checkpoint."""

import os

import pytest

from workers.runtime import checkpoints
from workers.runtime.checkpoints import CheckpointMonitor


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(checkpoints, "LOOK_SECONDS", 0.0)


def written(path, at):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("weights")
    os.utime(path, (at, at))


def test_an_empty_folder_or_none_says_nothing(tmp_path):
    assert CheckpointMonitor(tmp_path).newly_written_at() is None
    assert CheckpointMonitor(tmp_path / "gone").newly_written_at() is None


def test_a_new_file_is_news_once(tmp_path):
    watch = CheckpointMonitor(tmp_path)
    written(tmp_path / "latest.pt", at=1000)

    assert [watch.newly_written_at(), watch.newly_written_at()] == [1000, None]


def test_a_file_written_again_is_news_again(tmp_path):
    watch = CheckpointMonitor(tmp_path)
    for at in (1000, 2000):
        written(tmp_path / "latest.pt", at=at)
        assert watch.newly_written_at() == at


def test_a_file_in_a_folder_of_its_own_counts(tmp_path):
    written(tmp_path / "step-7" / "weights.pt", at=4_000_000_000)

    assert CheckpointMonitor(tmp_path).newly_written_at() == 4_000_000_000


def test_a_file_that_was_removed_is_no_news(tmp_path):
    watch = CheckpointMonitor(tmp_path)
    written(tmp_path / "old.pt", at=1000)
    written(tmp_path / "new.pt", at=2000)
    watch.newly_written_at()
    (tmp_path / "new.pt").unlink()

    assert watch.newly_written_at() is None


def test_the_folder_is_not_looked_at_all_the_time(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "LOOK_SECONDS", 60.0)
    watch = CheckpointMonitor(tmp_path)
    watch.newly_written_at()
    written(tmp_path / "latest.pt", at=1000)

    assert watch.newly_written_at() is None
