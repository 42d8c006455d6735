"""A job's folder is removed whole, whatever the job has made of it, and nothing beside it; a kill in between loses nothing."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from workers.runtime import folder_removal
from workers.runtime.folder_removal import left_aside, remove, set_aside

KIB = 1024


@pytest.fixture
def jobs(tmp_path):
    home = tmp_path / "jobs"
    home.mkdir()
    return home


def filled(jobs, name="7"):
    """A job's folder with files in it: 64 KiB."""
    outputs = jobs / name / "outputs" / "1"
    outputs.mkdir(parents=True)
    for number in range(8):
        (outputs / f"model-{number}").write_bytes(os.urandom(8 * KIB))
    return jobs / name


def put_aside(jobs, name="7"):
    aside = set_aside(jobs, name)
    assert aside is not None
    return aside


def removed(jobs):
    return remove(jobs, put_aside(jobs))


def test_a_folder_goes_with_all_in_it_and_it_is_said_how_much_room_that_made(jobs):
    filled(jobs), filled(jobs, "8")

    freed, complete = removed(jobs)

    assert complete
    assert 64 * KIB <= freed <= 128 * KIB
    assert [one.name for one in jobs.iterdir()] == ["8"]


def test_links_are_removed_and_never_followed(jobs, tmp_path):
    outside = tmp_path / "outside"
    (outside / "below").mkdir(parents=True)
    (outside / "below" / "precious").write_text("kept")
    folder = filled(jobs)
    (folder / "all").symlink_to(outside)
    (folder / "outputs" / "deep").symlink_to(outside / "below")
    (folder / "file").symlink_to(outside / "below" / "precious")
    (folder / "loop").symlink_to(folder)
    os.link(outside / "below" / "precious", folder / "another name")

    freed, complete = removed(jobs)

    assert complete
    assert freed < 128 * KIB
    assert (outside / "below" / "precious").read_text() == "kept"


def test_a_link_in_the_place_of_a_jobs_folder_is_left_alone(jobs, tmp_path):
    outside = filled(tmp_path, "outside")
    (jobs / "7").symlink_to(outside)

    assert set_aside(jobs, "7") is None
    assert (outside / "outputs" / "1" / "model-0").exists()


def test_a_link_that_was_put_in_the_place_of_what_is_set_aside_is_not_followed(jobs, tmp_path):
    outside = filled(tmp_path, "outside")
    (jobs / ".removed-7-00000000").symlink_to(outside)

    assert left_aside(jobs) == []
    remove(jobs, ".removed-7-00000000")
    assert (outside / "outputs" / "1" / "model-0").exists()


def test_no_depth_is_too_deep(jobs):
    """Deeper than any path may be long, and than so many folders may be open at once."""
    here = os.open(filled(jobs), os.O_RDONLY)
    for _ in range(1_500):
        os.mkdir("abcdef", dir_fd=here)
        following = os.open("abcdef", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = following
    os.close(here)

    assert removed(jobs).complete
    assert list(jobs.iterdir()) == []


def test_what_is_closed_and_what_has_strange_names_goes_too(jobs):
    folder = filled(jobs)
    for name in ("-rf", "a\nb", ".removed-8-x", "ä"):
        (folder / name).mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "closed" / "in").mkdir(parents=True)
    (folder / "closed" / "in" / "file").write_text("x")
    (folder / "closed" / "in").chmod(0)
    (folder / "closed").chmod(0)
    folder.chmod(0o500)

    assert removed(jobs).complete
    assert list(jobs.iterdir()) == []


def test_whoever_is_told_to_stop_leaves_the_rest_to_the_next(jobs):
    filled(jobs)
    aside = put_aside(jobs)
    looks = iter([False] * 3 + [True] * 100)

    assert not remove(jobs, aside, stopped=lambda: next(looks)).complete
    assert left_aside(jobs) == [aside]
    assert remove(jobs, aside).complete
    assert left_aside(jobs) == []


def test_what_another_agent_of_the_same_disk_has_removed_is_gone(jobs):
    filled(jobs)
    aside = put_aside(jobs)
    assert set_aside(jobs, "7") is None
    assert remove(jobs, aside).complete
    assert remove(jobs, aside) == (0, True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_what_is_mounted_in_it_is_not_the_jobs(jobs, tmp_path):
    folder, outside = filled(jobs), filled(tmp_path, "outside")
    (folder / "deep" / "data").mkdir(parents=True)
    script = f"mount --bind {outside} {folder}/deep/data && {sys.executable} -c '{REMOVES}' {jobs} inf"

    ran = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], cwd=SOURCE, check=False, capture_output=True, text=True
    )

    if "mount" in ran.stderr:
        pytest.skip("mounting is not allowed here")
    assert ran.stdout == "False\n", ran.stderr
    assert (outside / "outputs" / "1" / "model-7").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_an_agent_that_is_not_root_opens_what_a_job_has_closed():
    with tempfile.TemporaryDirectory() as home:
        jobs = Path(home)
        filled(jobs)
        for name in ("closed", "closed/in", "closed/in/deeper"):
            (jobs / "7" / name).mkdir()
        (jobs / "7/closed/in/file").touch()
        for path in (jobs, *jobs.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
        for name in ("closed/in/deeper", "closed/in", "closed", "outputs"):
            (jobs / "7" / name).chmod(0)

        assert as_nobody(lambda: removed(jobs).complete)
        assert list(jobs.iterdir()) == []


def as_nobody(step):
    """Whether the step says so to a user without rights."""
    child = os.fork()
    if child == 0:
        answer = False
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            answer = step()
        finally:
            os._exit(0 if answer else 1)
    return os.waitpid(child, 0)[1] == 0


REMOVES = """
import os, signal, sys
from itertools import count
from pathlib import Path
from workers.runtime.folder_removal import remove, set_aside
jobs, looks, last = Path(sys.argv[1]), count(), float(sys.argv[2])
def killed():
    if next(looks) >= last:
        os.kill(os.getpid(), signal.SIGKILL)
print(remove(jobs, set_aside(jobs, "7"), stopped=killed).complete)
"""
SOURCE = Path(folder_removal.__file__).parents[2]
NOBODY = 65534


@pytest.mark.parametrize("looks", [0, 1, 25, 60])
def test_who_is_killed_in_between_leaves_what_the_next_goes_on_with(jobs, looks):
    """Given a removal that is killed somewhere in it, then no job's folder is left half, and the next removal ends it."""
    folder = filled(jobs)
    for name in ("a", "a/b", "a/b/c", "d", "e"):
        (folder / name).mkdir()
        for number in range(10):
            (folder / name / f"file-{number}").touch()

    ran = subprocess.run([sys.executable, "-c", REMOVES, str(jobs), str(looks)], cwd=SOURCE, check=False)

    assert ran.returncode == -signal.SIGKILL
    assert not folder.exists()
    [aside] = left_aside(jobs)
    assert remove(jobs, aside).complete
    assert list(jobs.iterdir()) == []
