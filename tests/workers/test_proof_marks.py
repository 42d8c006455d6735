"""Marks for probes: none without a folder, and none that could keep a process from its work."""

import os

from celery import current_app
from celery.signals import after_task_publish, task_postrun

from scheduler_site.apps import mark_what_celery_does
from workers.proof_marks import DONE, LOOKED, SENT, mark


def test_a_mark_is_as_old_as_what_was_done_last(settings, tmp_path):
    settings.PROOF_FOLDER = str(tmp_path / "proof")
    mark(LOOKED)
    made = tmp_path / "proof/looked"
    os.utime(made, (0, 0))
    mark(LOOKED)
    assert made.stat().st_mtime > 0


def test_without_a_folder_or_with_one_that_is_none_nothing_happens(settings, tmp_path):
    mark(LOOKED)
    settings.PROOF_FOLDER = str(tmp_path / "file/below")
    (tmp_path / "file").touch()
    mark(LOOKED)


def test_a_task_that_ended_and_a_message_that_went_out_leave_theirs(settings, tmp_path):
    settings.PROOF_FOLDER = str(tmp_path)
    disconnect = mark_what_celery_does()
    try:
        task_postrun.send(current_app)
        after_task_publish.send(current_app)
    finally:
        disconnect()
    assert {file.name for file in tmp_path.iterdir()} == {DONE, SENT}
