"""Control groups for commands: the folders and files that the kernel is asked for, and a real one where that is allowed."""

import os
import uuid
from pathlib import Path

import pytest

from tests.waiting import wait_for
from workers.runtime import cgroups
from workers.runtime.cgroups import AUTO, NO, YES, JobGroups, prepare

UNIFIED = Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup")


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A tree laid out as the kernel does, in which this process is in /service."""
    service = tmp_path / "mount" / "service"
    service.mkdir(parents=True)
    (service / "cgroup.procs").write_text("")
    (service / "cgroup.subtree_control").write_text("")
    (tmp_path / "membership").write_text("0::/service\n")
    monkeypatch.setattr(cgroups, "write", lambda path, data: Path(path).write_bytes(data))
    return service, (tmp_path / "mount", tmp_path / "membership")


def handed_over(monkeypatch, folder):
    def getxattr(path, name):
        if (path, name) != (folder, "user.delegate"):
            raise OSError
        return b"1"

    monkeypatch.setattr(os, "getxattr", getxattr)


def test_a_group_that_was_handed_over_is_arranged_in_leaves(tree, monkeypatch):
    service, where = tree
    handed_over(monkeypatch, service)
    assert prepare(AUTO, *where) is not None
    assert (service / "cgroup.subtree_control").read_text() == "+memory"
    assert [(service / leaf).is_dir() for leaf in ("agent", "shims")] == [True, True]


def test_an_agent_that_was_started_in_its_leaf_finds_its_part_above(tree, monkeypatch):
    service, (mount, membership) = tree
    membership.write_text("0::/service/agent\n")
    handed_over(monkeypatch, service)
    assert prepare(AUTO, mount, membership) is not None
    assert not (service / "agent" / "agent").exists()


def test_what_nobody_handed_over_is_left_alone_unless_the_operator_says_so(tree):
    service, where = tree
    assert prepare(AUTO, *where) is None
    assert not (service / "agent").exists()
    assert prepare(YES, *where) is not None


def test_no_means_no(tree, monkeypatch):
    service, where = tree
    handed_over(monkeypatch, service)
    assert prepare(NO, *where) is None
    assert not (service / "agent").exists()


def test_a_machine_without_version_two_has_none(tmp_path):
    (tmp_path / "membership").write_text("4:memory:/box\n")
    assert prepare(YES, tmp_path, tmp_path / "membership") is None


def test_a_group_that_may_not_be_written_is_done_without(tree, caplog, monkeypatch):
    _, where = tree

    def refuse(_path, _data):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(cgroups, "write", refuse)
    assert prepare(YES, *where) is None
    assert "shims watch the memory" in caplog.text


def test_a_group_holds_the_limit_and_dies_as_a_whole(tree):
    service, where = tree
    groups = prepare(YES, *where)
    assert groups is not None
    path = Path(groups.make("7", 1000))
    assert path == service / "job-7"
    files = {name: (path / name).read_text() for name in ("memory.max", "memory.oom.group", "memory.swap.max")}
    assert files == {"memory.max": "1000", "memory.oom.group": "1", "memory.swap.max": "0"}


def test_a_group_that_cannot_be_made_is_done_without(tmp_path, caplog):
    assert JobGroups(tmp_path / "nowhere").make("7", 1000) == ""
    assert "its shim watches its memory" in caplog.text


def test_groups_that_a_killed_shim_left_are_cleared(tmp_path):
    for name in ("job-1", "job-2", "agent"):
        (tmp_path / name).mkdir()
    (tmp_path / "job-2" / "somebody").touch()
    JobGroups(tmp_path).clear()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["agent", "job-2"]


def real_group() -> Path | None:
    for mount in UNIFIED:
        base = mount / f"trainyard-test-{uuid.uuid4().hex[:8]}"
        try:
            if (mount / "cgroup.procs").exists():
                base.mkdir()
                return base
        except OSError:
            continue
    return None


@pytest.fixture
def base():
    """A group of the real kernel, with or without a controller for memory."""
    made = real_group()
    if made is None:
        pytest.skip("this system lets nobody make a control group")
    for leaf in ("shims", "job-1"):
        (made / leaf).mkdir()
    yield made
    for group in (made / "job-1", made / "shims", made):
        if group.exists():
            wait_for(lambda: not (group / "cgroup.procs").read_text(), message=f"{group} to be empty")  # noqa: B023
            group.rmdir()


def test_under_a_real_kernel_the_command_is_in_its_group_which_is_gone_with_it(start, base):
    launched = start.sh("(setsid sleep 61 &); echo ready; sleep 62", group=str(base / "job-1"), grace_seconds=0.0)
    launched.prints(b"ready")
    inside = [int(pid) for pid in (base / "job-1" / "cgroup.procs").read_text().split()]
    assert launched.shim.status()["pid"] in inside
    assert len(inside) >= 3
    assert str(launched.shim.pid) in (base / "shims" / "cgroup.procs").read_text().split()
    launched.shim.stop()
    assert launched.outcome().reason == "stopped"
    assert launched.left() == []
    assert not (base / "job-1").exists()
