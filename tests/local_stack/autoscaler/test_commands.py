"""Real programs as an actuator: what they say is believed, what they hang at is ended, what fails is told without secrets."""

import time
from pathlib import Path
from typing import Self

import psutil
import pytest
from django.db.models.functions import Now

from local_stack.autoscaler.actuator import ActuatorError
from local_stack.autoscaler.autoscaler import Autoscaler
from local_stack.autoscaler.commands import CommandActuator, run
from tests import builders
from tests.waiting import wait_for
from workers.models import NodePool

SETTINGS = {"up": ["up", "{node}", "{cpus}"], "down": ["down", "{node}"], "list": ["list"], "timeout_seconds": 20}
UP = 'test -e broken && { echo "no room in zone a" >&2; exit 3; }; test -e "nodes/$1" || echo "$2" >> "nodes/$1"'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Programs that make a file for each node."""
    (tmp_path / "nodes").mkdir()
    program(tmp_path, "up", UP)
    program(tmp_path, "down", 'rm -f "nodes/$1"')
    program(tmp_path, "list", "ls nodes")
    return tmp_path


def program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o700)


def made(folder: Path) -> list[str]:
    return sorted(file.name for file in (folder / "nodes").iterdir())


def pool(**fields) -> NodePool:
    given = {"name": "vm", "cpus": 4, "memory_mb": 1024, "actuator": "command", "actuator_settings": SETTINGS}
    return NodePool(**given, **fields)


def actuator(folder: Path, clock=time.monotonic, **settings) -> CommandActuator:
    return CommandActuator(folder, clock=clock).set_up(pool_with(**settings))


def pool_with(**settings) -> NodePool:
    of = pool()
    of.actuator_settings = {**SETTINGS, **settings}
    return of


def test_words_reach_the_program_as_they_are_and_no_shell_reads_them(folder):
    actuator(folder, up=["up", "{node}", "$(rm -rf nodes); {cpus} {gpu_model}"]).up(["vm-1"])
    assert (folder / "nodes/vm-1").read_text() == "$(rm -rf nodes); 4 \n"


def test_only_names_of_the_pool_s_own_are_its_members(folder):
    for name in ("vm-1", "vm-x", "other-2", "vm-02", "vm-3"):
        (folder / "nodes" / name).touch()
    assert actuator(folder).members() == {"vm-1": False, "vm-3": False}


def test_what_was_asked_for_counts_though_the_list_does_not_show_it_yet(folder):
    moments = [0.0]
    program(folder, "up", "true")
    slow = actuator(folder, clock=lambda: moments[0])
    slow.up(["vm-1"])
    assert slow.members() == {"vm-1": False}
    moments[0] = 21.0
    assert slow.members() == {}
    (folder / "nodes/vm-2").touch()
    program(folder, "down", "true")
    slow.down(["vm-2"])
    assert slow.members() == {"vm-2": True}
    moments[0] = 42.0
    assert slow.members() == {"vm-2": False}


def test_one_that_fails_keeps_no_other_from_coming(folder):
    program(folder, "up", '[ "$1" = vm-2 ] && exit 1; touch "nodes/$1"')
    with pytest.raises(ActuatorError, match="up ended with 1"):
        actuator(folder).up(["vm-1", "vm-2", "vm-3"])
    assert made(folder) == ["vm-1", "vm-3"]


def test_what_hangs_is_killed_with_all_that_it_started(folder):
    program(folder, "up", "sleep 77 & echo $! > child; echo waiting for the cloud >&2; wait")
    with pytest.raises(ActuatorError, match=r"up took longer than 0.5 s and was killed: waiting for the cloud"):
        run(folder, ["up", "vm-1"], 0.5)
    child = int((folder / "child").read_text())
    wait_for(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == "zombie", 5, "the child's end")


def test_a_program_may_leave_one_running_that_holds_its_output(folder):
    program(folder, "up", "sleep 5 & echo started")
    began = time.monotonic()
    assert run(folder, ["up"], 4) == "started\n"
    assert time.monotonic() - began < 3


def test_a_program_that_is_not_there_is_named(folder):
    with pytest.raises(ActuatorError, match="missing cannot be started: No such file"):
        run(folder, ["missing"], 5)


def test_neither_a_fault_nor_a_program_tells_a_secret(folder, monkeypatch):
    monkeypatch.setenv("CLOUD_TOKEN", "verysecret")
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:password@h/d")
    program(folder, "up", 'echo "db=$DATABASE_URL token=$CLOUD_TOKEN" >&2; exit 1')
    with pytest.raises(ActuatorError, match=r"up ended with 1: db= token=\(CLOUD_TOKEN\)"):
        run(folder, ["up"], 5)


def test_without_a_folder_no_program_is_run():
    with pytest.raises(ActuatorError, match="--commands FOLDER"):
        CommandActuator(None).set_up(pool())


@pytest.mark.django_db
def test_a_fault_stands_in_the_row_is_tried_again_ever_later_and_goes_with_the_first_success(folder):
    said: list[str] = []
    scaler = Autoscaler(folder, folder, said.append, every_seconds=1)
    row = pool(desired_nodes=2, why="2 jobs wait for them")
    row.save()
    (folder / "broken").touch()
    for failures, delay in ((1, 5), (2, 10), (3, 20)):
        scaler.act(row)
        row.refresh_from_db()
        tries = scaler._of(row).tries
        assert (tries.failures, round(tries.again_at - time.monotonic(), -1 if delay > 5 else 0)) == (failures, delay)
    assert row.fault == "up ended with 3: no room in zone a"
    (folder / "broken").unlink()
    scaler.act(row)
    row.refresh_from_db()
    assert (row.fault, made(folder)) == ("", ["vm-1", "vm-2"])
    assert said[-1] == "pool vm is to have 2 nodes (2 jobs wait for them): starting vm-1, vm-2"


@pytest.mark.django_db
def test_killed_between_any_two_steps_the_next_one_makes_no_node_twice(folder):
    """`up` writes a line whenever it makes a node; each look is one of an autoscaler that knows nothing of the last."""
    program(folder, "up", 'test -e "nodes/$1" && exit 0; echo made >> "log-$1"; touch "nodes/$1"; exit 1')
    row = pool(desired_nodes=3)
    row.save()
    for _ in range(4):
        Autoscaler(folder, folder, lambda _: None, every_seconds=1).act(row)
    assert made(folder) == ["vm-1", "vm-2", "vm-3"]
    assert [(folder / f"log-vm-{number}").read_text() for number in (1, 2, 3)] == ["made\n"] * 3


@pytest.mark.django_db
def test_an_idle_node_is_drained_and_taken_away_and_a_paused_or_undecided_pool_left_alone(folder, monkeypatch):
    builders.node(name="vm-1", labels={"pool": "vm"})
    (folder / "nodes/vm-1").touch()
    row = pool(desired_nodes=0, idle_nodes=["vm-1"], paused=True, decided_at=Now())
    row.save()
    scaler = Autoscaler(folder, folder, lambda _: None, every_seconds=1)
    monkeypatch.setattr(scaler, "_in_thread", scaler.act)  # in this thread: the test's rows are not committed
    monkeypatch.setattr("local_stack.autoscaler.autoscaler.ThreadPoolExecutor", Here)
    scaler.look()
    assert made(folder) == ["vm-1"], "paused"
    NodePool.objects.update(paused=False, decided_at=None)
    scaler.look()
    assert made(folder) == ["vm-1"], "nobody has decided"
    NodePool.objects.update(decided_at=Now())
    scaler.look()
    assert made(folder) == []


class Here:
    """Runs everything at once, in the thread that asks."""

    def __init__(self, _at_once: int) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    map = staticmethod(map)
