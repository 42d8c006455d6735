"""From which checkpoint a script goes on."""

import os
import zipfile

import pytest

from trainyard import latest_checkpoint, report, resumes
from trainyard.ranks import RANKS


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    for name in RANKS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TRAINYARD_CHECKPOINT_DIR", str(tmp_path))
    monkeypatch.setattr(resumes, "_begun", None)
    return tmp_path


@pytest.fixture
def attempt(monkeypatch):
    """What attempt of that number goes on from, by the name."""

    def attempt(number, pattern="*"):
        monkeypatch.setenv("TRAINYARD_ATTEMPT", str(number))
        monkeypatch.setattr(resumes, "_begun", None)
        found = latest_checkpoint(pattern)
        return found and os.path.basename(found)  # noqa: PTH119

    return attempt


def saved(path, *, at, files=("weights",)):
    """A folder with these files, last written at that time."""
    path.mkdir()
    for name in files:
        (path / name).write_text("numbers")
    os.utime(path, (at, at))
    return path


def zipped(path, *, at, part=1.0):
    """A file as torch.save and Keras write it, of which only a part was written."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data", os.urandom(1000))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    os.utime(path, (at, at))


def test_where_folders_are_marked_as_whole_one_that_is_not_was_left_in_the_middle(folder, attempt):
    report.checkpoint(saved(folder / "checkpoint-20", at=100))
    saved(folder / "checkpoint-40", at=10**10)
    assert attempt(2) == "checkpoint-20"


def test_where_none_is_marked_the_newest_folder_counts(folder, attempt):
    saved(folder / "one", at=100)
    saved(folder / "two", at=200)
    saved(folder / "empty", at=300, files=())
    assert attempt(2) == "two"


def test_only_the_first_rank_marks(folder, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    report.checkpoint(saved(folder / "checkpoint-20", at=100))
    assert [path.name for path in (folder / "checkpoint-20").iterdir()] == ["weights"]


def test_a_file_that_was_cut_off_is_passed_over(folder, attempt):
    zipped(folder / "a.pt", at=100)
    zipped(folder / "b.pt", at=200, part=0.5)
    (folder / "c.safetensors").write_bytes((10**4).to_bytes(8, "little") + b"{")
    (folder / "d.pt").touch()
    zipped(folder / "e.pt.draft", at=10**10)
    assert attempt(2) == "a.pt"


def test_a_folder_with_a_file_that_was_cut_off_is_passed_over(folder, attempt):
    saved(folder / "one", at=100)
    two = saved(folder / "two", at=200)
    zipped(two / "model.pt", at=200, part=0.9)
    assert attempt(2) == "one"


def test_safetensors_are_whole_at_their_full_length(folder, attempt):
    table = b'{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    (folder / "w.safetensors").write_bytes(len(table).to_bytes(8, "little") + table + bytes(8))
    assert attempt(2) == "w.safetensors"
    (folder / "w.safetensors").write_bytes(len(table).to_bytes(8, "little") + table + bytes(7))
    assert attempt(3) is None


def test_one_from_which_an_attempt_got_no_further_comes_after_the_one_before(folder, attempt):
    zipped(folder / "a.pt", at=100)
    zipped(folder / "b.pt", at=200)
    assert [attempt(2), attempt(3), attempt(4)] == ["b.pt", "a.pt", "b.pt"]


@pytest.mark.parametrize("further", [lambda: report(step=3), report.checkpoint, resumes.clear])
def test_an_attempt_that_got_further_or_was_stopped_says_nothing_against_it(folder, attempt, further):
    zipped(folder / "a.pt", at=100)
    zipped(folder / "b.pt", at=200)
    attempt(2)
    further()
    assert attempt(3) == "b.pt"


def test_what_fails_with_each_of_the_newest_is_no_reason_to_begin_from_nothing(folder, attempt):
    for number in range(6):
        zipped(folder / f"{number}.pt", at=100 + number)
    assert [attempt(number) for number in range(2, 6)] == ["5.pt", "4.pt", "3.pt", "5.pt"]


def test_all_processes_of_an_attempt_begin_from_the_same(folder, attempt, monkeypatch):
    zipped(folder / "a.pt", at=100)
    zipped(folder / "b.pt", at=200)
    attempt(2)
    first = attempt(3)
    monkeypatch.setenv("RANK", "1")
    assert attempt(3) == first == "a.pt"


def test_notes_that_are_broken_or_cannot_be_written_change_nothing(folder, attempt):
    zipped(folder / "a.pt", at=100)
    (folder / ".trainyard").write_text("in the way")
    assert attempt(2) == "a.pt"
