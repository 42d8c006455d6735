"""The folder by which an agent is known: one agent at a time, one lasting identity, and plain words where it cannot be."""

import pytest
from django.core.management import CommandError, call_command

from executors.celery_worker.bootstep import NodeFolder
from scheduling.errors import ConflictError, UnavailableError


def test_an_identity_lasts(tmp_path):
    assert NodeFolder(tmp_path, "n1").agent_id() == NodeFolder(tmp_path, "n1").agent_id()
    assert NodeFolder(tmp_path, "n1").agent_id() != NodeFolder(tmp_path, "n2").agent_id()


def test_a_second_agent_of_a_node_is_refused_as_long_as_the_first_holds_the_folder(tmp_path):
    first, second = NodeFolder(tmp_path, "n1"), NodeFolder(tmp_path, "n1")
    first.lock()

    with pytest.raises(ConflictError, match="runs on this machine already"):
        second.lock()


def test_a_folder_that_cannot_be_written_is_told_in_a_sentence(tmp_path):
    """A file where a folder should be stands for a disk that is read-only: root may write anywhere else."""
    home = tmp_path / "home"
    home.write_text("no folder")

    with pytest.raises(UnavailableError, match=f"{home}/nodes/n1 cannot be written: .+; set TRAINYARD_HOME"):
        NodeFolder(home, "n1")


def test_an_identity_that_cannot_be_kept_is_told_in_a_sentence(tmp_path):
    folder = NodeFolder(tmp_path, "n1")
    (folder.path / "agent.new").mkdir()

    with pytest.raises(UnavailableError, match="cannot be written"):
        folder.agent_id()


def test_an_agent_whose_folder_cannot_be_written_says_so_in_one_line(tmp_path, settings):
    settings.TRAINYARD_HOME = tmp_path / "home"
    settings.TRAINYARD_HOME.write_text("no folder")

    with pytest.raises(CommandError, match=r"^the node's folder .* cannot be written: Not a directory; .*$"):
        call_command("node", name="n1", cpus=1)
