"""Pools of agents: what each gets of the machine, and how the supervisor keeps them. Small processes stand for agents."""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from django.core.management import CommandError, call_command

from local_stack.pools import nodes, partition, pool
from local_stack.pools.control_socket import ask
from local_stack.pools.errors import NotRunningError, PoolError, UsageError
from local_stack.pools.home import PoolHome
from local_stack.pools.partition import AgentTerms, GpuPartition
from local_stack.pools.pool import Pool, Terms
from local_stack.servers import processes
from local_stack.servers.processes import Role
from tests.local_stack.test_supervisor import Lines
from tests.waiting import wait_for
from workers.hardware.inventory import GpuDevice, Hardware

GPUS = tuple(GpuDevice(index, "H100", 81_920, f"GPU-{index}") for index in range(4))
BIG = Hardware(cpus=16, memory_mb=64 * 1024, gpus=GPUS)
BARE = Hardware(cpus=4, memory_mb=8 * 1024)


@pytest.mark.parametrize(
    ("machine", "wanted", "agents", "cpus", "memory_gb", "gpus"),
    [
        (BIG, AgentTerms(), 4, 4, 16, 1),
        (BIG, AgentTerms(), 3, 5, 64 / 3, 1),
        (BIG, AgentTerms(), 0, 16, 64, 4),
        (BIG, AgentTerms(cpus=2, memory_gb=8, gpus=2), 2, 2, 8, 2),
        (BARE, AgentTerms(gpus=8), 2, 2, 4, 8),
        (BARE, AgentTerms(cpus=64, memory_gb=512, oversubscribe=True), 3, 64, 512, 0),
    ],
    ids=["all", "uneven", "none", "asked", "simulated", "oversubscribed"],
)
def test_every_agent_gets_the_same_share(machine, wanted, agents, cpus, memory_gb, gpus):
    share = partition.each(machine, wanted, agents)
    assert (share.cpus, round(share.memory_gb, 3), share.gpus) == (cpus, round(memory_gb, 3), gpus)


@pytest.mark.parametrize(
    ("wanted", "agents", "kind", "words"),
    [
        (AgentTerms(), -1, UsageError, "between 0 and 1000 agents, not -1"),
        (AgentTerms(cpus=0), 1, UsageError, "--cpus must be at least 1, not 0"),
        (AgentTerms(gpus=-1), 1, UsageError, "--gpus must be at least 0, not -1"),
        (AgentTerms(memory_gb=float("nan")), 1, UsageError, "--memory-gb must be greater than 0"),
        (AgentTerms(cpus=8), 3, PoolError, r"3 agents with 8 CPUs each are more than this machine has \(16\)"),
        (AgentTerms(memory_gb=40), 2, PoolError, r"2 agents with 40 GB of memory each .* \(64\)"),
        (AgentTerms(gpus=3), 2, PoolError, r"2 agents with 3 GPUs each .* \(4\)"),
    ],
    ids=["negative", "no cpu", "negative gpus", "no number", "cpus", "memory", "gpus"],
)
def test_nonsense_and_too_much_are_refused_in_words(wanted, agents, kind, words):
    with pytest.raises(kind, match=words):
        partition.each(BIG, wanted, agents)


def test_no_gpu_and_no_core_is_given_twice(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(5)))
    given: list[GpuPartition] = []
    for _ in range(3):
        given.append(partition.own(BIG, GpuPartition(2, 1, 2), given))
    assert [share.real_gpus for share in given] == [("GPU-0", "GPU-1"), ("GPU-2", "GPU-3"), ()]
    assert [share.cores for share in given] == [(0, 1), (2, 3), ()]
    assert partition.own(BIG, GpuPartition(2, 1, 2), given[1:]).real_gpus == ("GPU-0", "GPU-1")


def test_an_agent_sees_its_own_gpus_and_cores_alone(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    role = pool.agent_role("a-1", GpuPartition(2, 8, 1, ("GPU-3",), (4, 5)), AgentTerms(labels=("zone=a",)))
    assert role.environment["CUDA_VISIBLE_DEVICES"] == "GPU-3"
    assert role.command[:3] == ("taskset", "--cpu-list", "4,5")
    assert " ".join(role.command).endswith("node --name a-1 --cpus 2 --memory-gb 8 --gpus 1 --label zone=a")


class Running:
    """A pool in a thread of its own, with small processes as agents and without a database."""

    def __init__(self, home: PoolHome, lines: Lines, script: str, **terms) -> None:
        self.home, self.lines = home, lines
        self.code: int | None = None
        self.empty: dict[str, int] = {}
        role = lambda name, _share, _wanted: Role(name, ("sh", "-c", script))  # noqa: E731
        share = partition.each(BARE, AgentTerms(cpus=1, memory_gb=1), 1)
        terms = {"machine": BARE, "wanted": AgentTerms(), "share": share, "drain_seconds": 5, "role": role, **terms}
        self.pool = Pool(home, Terms(**terms), lines)

    def work(self, agents: int) -> None:
        with self.home.locked():
            self.code = asyncio.run(self.pool.run(agents))

    def ask(self, verb: str, **request):
        said: list[str] = []
        answer = ask(self.home, {"verb": verb, **request}, said.append)
        return answer, said

    def states(self) -> dict[str, str]:
        return {agent["name"]: agent["state"] for agent in self.ask("status")[0]}

    def pids(self) -> list[int]:
        return [agent["pid"] for agent in self.ask("status")[0]]


@pytest.fixture
def home(tmp_path: Path) -> PoolHome:
    return PoolHome(tmp_path / ("long" * 30), "yard")  # a socket's path may have 107 bytes


@pytest.fixture
def running(home, monkeypatch):
    """Signals go to main threads: here they are handed to the pool directly."""
    monkeypatch.setattr(Pool, "_listen_for_signals", lambda _self: None)
    empty = {"jobs": 0}
    monkeypatch.setattr(nodes, "status_of", lambda _names: {})
    monkeypatch.setattr(nodes, "take_back", lambda _name: None)
    monkeypatch.setattr(nodes, "drain", lambda _name, **_how: None)
    monkeypatch.setattr(nodes, "is_empty", lambda _name: not empty["jobs"])
    moments = iter(range(1000))
    monkeypatch.setattr(nodes, "registered_at", lambda _name: next(moments))

    @contextmanager
    def start(agents: int, script: str = "echo up; exec sleep 60", **terms) -> Iterator[Running]:
        made = Running(home, Lines(), script, **terms)
        made.empty = empty
        thread = threading.Thread(target=made.work, args=(agents,))
        thread.start()
        wait_for(lambda: home.socket.exists() or made.code is not None, 10, "the pool")
        yield made
        if made.code is None:
            made.pool._end.get_loop().call_soon_threadsafe(made.pool._ask_to_end, signal.SIGTERM)
        thread.join(15)
        assert not thread.is_alive()

    return start


def test_a_pool_runs_as_many_agents_as_it_is_told_and_ends_with_all_of_them(running, home):
    with running(2) as it:
        wait_for(lambda: all(it.pids()), 10, "two processes")
        pids = it.pids()
        assert it.states() == {"yard-1": "running", "yard-2": "running"}
        answer, said = it.ask("scale", agents=3)
        assert (answer, said) == (3, ["starting yard-3"])
    assert not any(map(psutil.pid_exists, pids))
    assert it.code == 0
    assert not home.runs


def test_the_surplus_ends_when_it_is_empty_and_is_called_back_before(running):
    with running(3) as it:
        it.empty["jobs"] = 1
        it.ask("scale", agents=1)
        assert it.states() == {"yard-1": "running", "yard-2": "retiring", "yard-3": "retiring"}
        assert it.ask("scale", agents=2)[1][0] == "keeping yard-2"
        it.empty["jobs"] = 0
        wait_for(lambda: it.states() == {"yard-1": "running", "yard-2": "running"}, 10, "the third to end")


def test_agents_are_added_and_retired_by_number_and_whatever_is_asked_twice_is_done_once(running):
    with running(0) as it:
        assert it.ask("add", numbers=[1, 3])[1] == ["starting yard-1", "starting yard-3"]
        assert it.ask("add", numbers=[3, 2])[1] == ["starting yard-2"]
        it.empty["jobs"] = 1
        assert it.ask("retire", numbers=[2, 9])[1] == ["yard-2 takes nothing new, and ends when it is empty"]
        assert it.ask("retire", numbers=[2])[1] == []
        assert it.ask("add", numbers=[2])[1] == [], "what is ending ends, and its number is free again then"
        assert it.states() == {"yard-1": "running", "yard-3": "running", "yard-2": "retiring"}
        it.empty["jobs"] = 0
        wait_for(lambda: it.states() == {"yard-1": "running", "yard-3": "running"}, 10, "the second to end")
        with pytest.raises(PoolError, match="are more than this machine has"):
            it.ask("add", numbers=[4, 5, 6, 7])
        assert len(it.states()) == 2


def test_agents_are_replaced_one_after_another(running):
    with running(2) as it:
        wait_for(lambda: all(it.pids()), 10, "two processes")
        before = it.pids()
        answer, said = it.ask("restart")
        assert (answer, said) == (2, ["replaced yard-1", "replaced yard-2"])
        # To the stand-in for the registration here a new agent is there before its process is.
        wait_for(lambda: not set(before) & set(now := it.pids()) and all(now), 10, "two other processes")
        assert it.ask("status")[0][0]["deaths"] == 0


def test_an_agent_that_dies_again_and_again_is_given_up_and_with_the_last_one_the_pool(running, monkeypatch):
    monkeypatch.setattr(processes, "FIRST_DELAY", 0.01)
    with running(1, "exit 3", give_up_after=3) as it:
        wait_for(lambda: it.code is not None, 10, "the pool to end")
    assert it.code == 1
    assert "ended with exit code 3, 3 times in a row: it is given up" in it.lines.of("pool")[-2]


def test_an_agent_that_says_that_another_start_changes_nothing_is_not_started_again(running):
    with running(2, "exit 78") as it:
        wait_for(lambda: it.code is not None, 10, "the pool to end")
    assert it.code == 78
    assert sum("and is not started again" in line for line in it.lines.of("pool")) == 2


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"verb": "dance"}, "cannot 'dance'"),
        ({"verb": "scale", "agents": -1}, "not -1"),
        ({"verb": "scale", "agents": 999}, "999 agents with 1 CPUs"),
        ({"verb": "scale", "agents": 1, "mode": "soon"}, "not 'soon'"),
        ({"verb": "scale"}, "no request"),
        ([], "no request"),
    ],
    ids=["verb", "negative", "too many", "mode", "missing", "list"],
)
def test_what_a_pool_cannot_do_is_refused_and_changes_nothing(running, home, request_, words):
    with running(1) as it:
        with pytest.raises(PoolError, match=words):
            ask(home, request_, print)
        assert list(it.states()) == ["yard-1"]


def test_a_second_pool_of_the_same_name_is_refused(running, home):
    with running(1), pytest.raises(PoolError, match="runs already"), home.locked():
        pass


def test_files_that_a_killed_pool_left_behind_mislead_nobody(home, running):
    home.folder.mkdir(parents=True)
    for name in ("lock", "socket", "pid", "processes.json"):
        (home.folder / name).write_text("1")
    assert not home.runs
    with pytest.raises(NotRunningError, match="No pool yard runs"):
        ask(home, {"verb": "status"}, print)
    home.socket.unlink()
    with running(1) as it:
        assert list(it.states()) == ["yard-1"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["status"], 3),
        (["stop"], 3),
        (["scale", "2"], 3),
        (["restart"], 3),
        (["drain"], 3),
        (["start", "--agents", "-1"], 2),
        (["start", "--name", "no name"], 2),
        (["scale", "-3"], 2),
        (["start", "--agents", "2", "--cpus", "100000"], 1),
    ],
    ids=str,
)
def test_exit_codes_tell_why(words, code, settings, tmp_path):
    settings.TRAINYARD_HOME = tmp_path
    with pytest.raises(CommandError) as refused:
        call_command("pool", *words)
    assert refused.value.returncode == code
