"""An agent removes the folders of jobs that the site has deleted as they were too old, and of no others."""

import errno
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from executors.node import old_folders
from executors.node.old_folders import OldFolders
from executors.run import state_files
from jobs.control import forgotten_jobs
from jobs.models import ForgottenJob
from tests import builders
from tests.executors.node.test_runner import CLAIMED
from tests.waiting import wait_for
from workers.hardware.disk import Disk
from workers.runtime import folder_removal


class FullDisk(Disk):
    """One that can be told to be full."""

    full = False

    def problem(self) -> str:
        return "full" if self.full else ""


@pytest.fixture
def home(tmp_path):
    for name in ("attempts", "jobs"):
        (tmp_path / name).mkdir()
    return tmp_path


def folder(home, job):
    outputs = home / "jobs" / str(job) / "outputs" / "1"
    outputs.mkdir(parents=True)
    (outputs / "model").write_bytes(b"x" * 8192)


def names(home):
    return sorted(one.name for one in (home / "jobs").iterdir())


def agent(home, ask):
    return OldFolders(home / "jobs", home / "attempts", FullDisk([home], 0), ask)


def test_what_the_site_names_goes_and_all_else_stays(home, caplog):
    caplog.set_level("WARNING")
    for job in (1, 2, "notes", "007", "³"):
        folder(home, job)
    (home / "jobs" / "3").write_text("no folder")
    one = agent(home, lambda ids: [job for job in ids if job in {1, 3, 7}])

    one.sweep()

    assert names(home) == ["007", "2", "3", "notes", "³"]
    assert one.told()["folders"] == 1
    assert one.told()["bytes"] >= 8192
    assert "Removed what deleted jobs left, as their projects keep them no longer: 1; " in caplog.text


def test_what_this_agent_has_claimed_stays_whatever_the_site_says(home):
    for job in (1, 2):
        folder(home, job)
    (home / "attempts" / "9").mkdir()
    state_files.write_claim(home / "attempts" / "9", replace(CLAIMED, job_id=1))

    agent(home, list).sweep()

    assert names(home) == ["1"]


def test_the_first_ended_goes_first_also_over_many_questions(home, monkeypatch):
    monkeypatch.setattr(old_folders, "ASKED_AT_ONCE", 2)
    gone = []
    monkeypatch.setattr(folder_removal, "set_aside", lambda _jobs, name: gone.append(int(name)))
    for job in range(1, 6):
        folder(home, job)

    agent(home, lambda ids: sorted(ids, reverse=True)).sweep()

    assert gone == [5, 4, 3, 2, 1]


def test_a_site_that_is_away_is_asked_again_and_nothing_is_removed(home, caplog):
    def away(_ids):
        raise OperationalError("gone")

    folder(home, 1)
    agent(home, away).sweep()

    assert names(home) == ["1"]
    assert "could not be asked" in caplog.text


def test_what_cannot_be_moved_keeps_nothing_else_from_going(home, monkeypatch, caplog):
    """As where somebody has mounted something on a job's folder."""
    for job in (1, 2):
        folder(home, job)
    moved = folder_removal.set_aside

    def set_aside(jobs, name):
        if name == "1":
            raise OSError(errno.EBUSY, "Device or resource busy")
        return moved(jobs, name)

    monkeypatch.setattr(folder_removal, "set_aside", set_aside)
    agent(home, list).sweep()

    assert names(home) == ["1"]
    assert "cannot be moved" in caplog.text


def test_what_an_agent_that_was_killed_left_half_removed_is_removed_by_the_next(home):
    folder(home, 1)
    (home / "jobs" / "1").rename(home / "jobs" / ".removed-1-abcdef01")

    agent(home, lambda _ids: []).sweep()

    assert names(home) == []


def test_it_is_asked_once_an_hour_and_each_minute_while_the_disk_is_short(home, monkeypatch):
    now, asked = 1_000.0, list[float]()

    def ask(_ids):
        asked.append(now)
        return []

    monkeypatch.setattr(time, "monotonic", lambda: now)
    one = agent(home, ask)
    folder(home, 1)
    for step, full in ((0, False), (100, False), (3600, False), (10, True), (60, True), (10, True), (60, False)):
        now += step
        one._disk.full = full
        one.turn()

    assert asked == [1_000.0, 4_700.0, 4_770.0]


@pytest.mark.django_db(transaction=True)
def test_the_site_is_asked_by_a_thread_of_its_own(home, monkeypatch):
    monkeypatch.setattr(old_folders, "TURN_SECONDS", 0.01)
    there, ended = builders.job(state="completed"), timezone.now() - timedelta(days=90)
    for job in (there.pk, there.pk + 1, there.pk + 2):
        folder(home, job)
        ForgottenJob.objects.create(job=job, ended_at=ended)
    ForgottenJob.objects.filter(job=there.pk + 2).delete()
    one = agent(home, forgotten_jobs.forgotten)

    one.start()
    wait_for(lambda: one.told()["folders"] == 1, message="a folder to be removed")
    one.close()

    assert names(home) == [str(there.pk), str(there.pk + 2)]
