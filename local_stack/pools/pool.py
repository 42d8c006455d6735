"""A running pool: keeps its agents alive, changes their number, replaces them one by one, and ends with them."""

import asyncio
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from executors.celery_worker.shutdown import DETACH_SECONDS, EX_CONFIG
from jobs.control.pool_draining import SCALED_DOWN
from local_stack.pools import nodes, partition
from local_stack.pools.control_socket import answering
from local_stack.pools.errors import PoolError, UsageError
from local_stack.pools.home import PoolHome
from local_stack.pools.partition import AgentTerms, GpuPartition
from local_stack.servers import orphans, roles
from local_stack.servers.orphans import Recorded
from local_stack.servers.output import PrefixedOutput
from local_stack.servers.processes import SUPERVISOR, Hooks, Role, SupervisedProcess
from workers.hardware.inventory import Hardware
from workers.models import Node

GIVE_UP_AFTER = 10
LEAVES_WITHIN = DETACH_SECONDS + 5
COMES_UP_WITHIN = 90.0
LOOK_SECONDS = 0.5
MODES = tuple(Node.DrainMode.values)
Say = Callable[[str], None]


@dataclass(frozen=True)
class Terms:
    """How a pool runs its agents."""

    machine: Hardware
    wanted: AgentTerms
    share: GpuPartition
    drain_seconds: float
    give_up_after: int = GIVE_UP_AFTER
    role: Callable[[str, GpuPartition, AgentTerms], Role] | None = None
    """What to run as an agent, if not an agent: for tests."""


class Agent:
    """One agent of the pool, by its number."""

    def __init__(self, number: int, share: GpuPartition, process: SupervisedProcess) -> None:
        self.number = number
        self.share = share
        self.process = process
        self.retirement: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        return self.process.role.name

    @property
    def state(self) -> str:
        if self.process.given_up:
            return "given up"
        if self.retirement is not None:
            return "retiring"
        return "running" if self.process.pid else "waiting"


class Pool:
    def __init__(self, home: PoolHome, terms: Terms, output: PrefixedOutput) -> None:
        self._home = home
        self._terms = terms
        self._output = output
        self._agents: dict[int, Agent] = {}
        self._running: dict[str, Recorded] = {}
        self._hooks = Hooks(show=self._show, started=self._record)
        self._end: asyncio.Future[signal.Signals] | None = None
        self._rolling = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self, agents: int) -> int:
        """Run so many agents until a signal ends the pool; the exit code: 1 when all agents were given up.

        `EX_CONFIG`, with which a supervisor starts it no more, when all were refused for good.
        """
        self._end = asyncio.get_running_loop().create_future()
        self._listen_for_signals()
        orphans.clear_away(self._home.process_list)
        for number in range(1, agents + 1):
            await self._start(number)
        self._output.show("pool", f"{self._home.name}: {agents} agents started")
        async with answering(self._home, self._answer):
            code = await self._until_the_end()
        orphans.record(self._home.process_list, [])
        return code

    async def _until_the_end(self) -> int:
        assert self._end is not None  # noqa: S101  made by `run`
        while not self._end.done():
            await asyncio.wait([self._end], timeout=LOOK_SECONDS)
            if self._agents and all(agent.process.given_up for agent in self._agents.values()):
                self._output.show("pool", "every agent is given up: the pool ends")
                return EX_CONFIG if all(agent.process.refused for agent in self._agents.values()) else 1
        await self._stop_all(self._end.result())
        return 0

    def _listen_for_signals(self) -> None:
        """TERM and INT drain and end, QUIT leaves all jobs running and ends, HUP replaces the agents one by one."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            loop.add_signal_handler(number, self._ask_to_end, number)
        loop.add_signal_handler(signal.SIGHUP, self._in_background, self.restart, self._say)

    def _ask_to_end(self, number: signal.Signals) -> None:
        assert self._end is not None  # noqa: S101  signals are heard while `run` runs
        if not self._end.done():
            self._output.show(
                "pool", f"{number.name} received: {'leaving' if number == signal.SIGQUIT else 'draining'}"
            )
            self._end.set_result(number)

    def _in_background(self, work: Callable[[Say], Any], say: Say) -> None:
        async def run() -> None:
            try:
                await work(say)
            except PoolError as error:
                say(str(error))

        task = asyncio.ensure_future(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _show(self, name: str, line: str) -> None:
        self._output.show("pool" if name == SUPERVISOR else name, line)

    def _say(self, words: str) -> None:
        self._output.show("pool", words)

    # What may be asked of it

    async def _answer(self, request: Mapping[str, Any], say: Say) -> Any:
        verbs = {
            "status": self._status,
            "scale": self._scale,
            "restart": self._restart,
            "add": self._add,
            "retire": self._retire_named,
        }
        verb = request["verb"]
        if verb not in verbs:
            raise UsageError(f"A pool cannot {verb!r}.")
        return await verbs[verb](request, say)

    async def _status(self, _request: Mapping[str, Any], _say: Say) -> list[dict[str, Any]]:
        try:
            known = await asyncio.to_thread(nodes.status_of, [agent.name for agent in self._agents.values()])
        except PoolError:
            known = {}
        return [
            {
                "name": agent.name,
                "state": agent.state,
                "pid": agent.process.pid,
                "seconds": round(time.time() - self._running[agent.name].started) if agent.process.pid else None,
                "deaths": agent.process.deaths,
                "cpus": agent.share.cpus,
                "gpus": list(agent.share.real_gpus),
                **known.get(agent.name, {}),
            }
            for agent in self._agents.values()
        ]

    async def _scale(self, request: Mapping[str, Any], say: Say) -> int:
        await self.scale(int(request["agents"]), mode=request.get("mode", Node.DrainMode.WAIT), say=say)
        return len(self._agents)

    async def _restart(self, _request: Mapping[str, Any], say: Say) -> int:
        return await self.restart(say)

    async def _add(self, request: Mapping[str, Any], say: Say) -> None:
        """Start the agents of these numbers that are not there: to be asked twice starts nothing twice."""
        new = [number for number in map(int, request["numbers"]) if number > 0 and number not in self._agents]
        self._refuse_too_many(len(self._agents) + len(new))
        for number in new:
            if number not in self._agents:
                say(f"starting {await self._start(number)}")

    async def _retire_named(self, request: Mapping[str, Any], say: Say) -> None:
        """Have these end as soon as they are empty; those that are not there have ended."""
        for agent in [self._agents[number] for number in map(int, request["numbers"]) if number in self._agents]:
            if agent.retirement is None:
                await self._retire(agent, Node.DrainMode.WAIT, say)

    def _refuse_too_many(self, agents: int) -> None:
        partition.check_number(agents)
        terms = self._terms
        partition.refuse_too_much(terms.machine, terms.share, agents, oversubscribe=terms.wanted.oversubscribe)

    async def scale(self, agents: int, *, mode: str, say: Say) -> None:
        """Start what is missing; have the surplus, highest number first, drain by `mode` and end when it is empty.

        Raises UsageError or PoolError before anything has changed.
        """
        if mode not in MODES:
            raise UsageError(f"--mode must be one of {', '.join(MODES)}, not {mode!r}.")
        self._refuse_too_many(agents)
        for number in range(1, agents + 1):
            if number not in self._agents:
                say(f"starting {await self._start(number)}")
            elif self._agents[number].retirement is not None:
                say(f"keeping {await self._call_back(self._agents[number])}")
        for agent in [one for one in self._agents.values() if one.number > agents]:
            await self._retire(agent, mode, say)

    async def restart(self, say: Say) -> int:
        """Replace the agents one after another; their jobs run on. Returns how many were replaced.

        Raises PoolError, and leaves the rest as they are, when a new one does not come up.
        """
        if self._rolling.locked():
            raise PoolError("The agents are being replaced already.")
        async with self._rolling:
            agents = [agent for agent in self._agents.values() if agent.retirement is None]
            for agent in agents:
                await self._replace(agent, say)
            return len(agents)

    async def _replace(self, agent: Agent, say: Say) -> None:
        before = await asyncio.to_thread(nodes.registered_at, agent.name)
        await agent.process.replace(signal.SIGQUIT, LEAVES_WITHIN)
        end = time.monotonic() + COMES_UP_WITHIN
        while await self._not_back(agent, before):
            if time.monotonic() > end or agent.process.given_up:
                raise PoolError(f"{agent.name} did not come up again: the agents after it are left as they are.")
            await asyncio.sleep(LOOK_SECONDS)
        say(f"replaced {agent.name}")

    @staticmethod
    async def _not_back(agent: Agent, before: Any) -> bool:
        try:
            now = await asyncio.to_thread(nodes.registered_at, agent.name)
        except PoolError:
            return True  # the database is away for a moment: nobody knows
        return now is None or now == before

    # Agents

    async def _start(self, number: int) -> str:
        others = [agent.share for agent in self._agents.values()]
        share = partition.own(
            self._terms.machine, self._terms.share, others, pinned=not self._terms.wanted.oversubscribe
        )
        role = (self._terms.role or agent_role)(f"{self._home.name}-{number}", share, self._terms.wanted)
        role = replace(role, stop_signal=signal.SIGQUIT, give_up_after=self._terms.give_up_after, final_code=EX_CONFIG)
        agent = self._agents[number] = Agent(number, share, SupervisedProcess(role, self._hooks))
        await self._undrain(agent.name)
        agent.process.start()
        return agent.name

    @staticmethod
    async def _undrain(name: str) -> None:
        """A pool that was killed while it became smaller has left its nodes drained."""
        with suppress(PoolError):
            await asyncio.to_thread(nodes.take_back, name)

    async def _call_back(self, agent: Agent) -> str:
        if agent.retirement is not None:
            agent.retirement.cancel()
            agent.retirement = None
            await self._undrain(agent.name)
        return agent.name

    async def _retire(self, agent: Agent, mode: str, say: Say) -> None:
        if mode != Node.DrainMode.NOW:
            await asyncio.to_thread(nodes.drain, agent.name, mode=mode, reason=SCALED_DOWN)
        say(f"{agent.name} takes nothing new, and ends when it is empty")
        if agent.retirement is not None:
            agent.retirement.cancel()
        agent.retirement = asyncio.ensure_future(self._when_empty(agent, wait=mode != Node.DrainMode.NOW))

    async def _when_empty(self, agent: Agent, *, wait: bool) -> None:
        while wait and not await self._is_empty(agent):  # noqa: ASYNC110  the database tells nobody by itself
            await asyncio.sleep(LOOK_SECONDS)
        agent.process.ask_to_stop(signal.SIGTERM)
        await agent.process.stopped(self._terms.drain_seconds)
        self._agents.pop(agent.number, None)
        self._running.pop(agent.name, None)
        await self._undrain(agent.name)
        self._output.show("pool", f"{agent.name} has ended")

    @staticmethod
    async def _is_empty(agent: Agent) -> bool:
        try:
            return await asyncio.to_thread(nodes.is_empty, agent.name)
        except PoolError:
            return False

    async def _stop_all(self, number: signal.Signals) -> None:
        """By SIGTERM the jobs are given back, by SIGQUIT they run on."""
        leaves = number == signal.SIGQUIT
        for task in [*self._tasks, *(agent.retirement for agent in self._agents.values() if agent.retirement)]:
            task.cancel()
        for agent in self._agents.values():
            agent.process.ask_to_stop(signal.SIGQUIT if leaves else signal.SIGTERM)
        within = LEAVES_WITHIN if leaves else self._terms.drain_seconds
        await asyncio.gather(*(agent.process.stopped(within) for agent in self._agents.values()))
        self._output.show("pool", "stopped; the jobs run on" if leaves else "stopped")

    def _record(self, role: Role, pid: int) -> None:
        recorded = Recorded.of(role.name, pid, role.stop_signal)
        if recorded:
            self._running[role.name] = recorded
            orphans.record(self._home.process_list, self._running.values())


def agent_role(name: str, share: GpuPartition, wanted: AgentTerms) -> Role:
    """The agent of that name with its share: it sees its own GPUs and cores alone."""
    options = {
        "cpus": share.cpus,
        "memory-gb": share.memory_gb,
        "gpus": share.gpus,
        "gpu-model": wanted.gpu_model,
        "gpu-memory-gb": wanted.gpu_memory_gb,
    }
    spec = roles.NodeSpec(name, tuple((key, str(value)) for key, value in options.items() if value is not None))
    # One port for all of them would be had by one: agents of a pool have no exporter.
    given = {"TRAINYARD_ROLE": "node", "TRAINYARD_NODE_METRICS_PORT": "0"}
    role = roles.agent(spec, given | {"CUDA_VISIBLE_DEVICES": partition.visible(share.real_gpus)})
    labels = [word for label in wanted.labels for word in ("--label", label)]
    return replace(role, command=(*pinned(share), *role.command, *labels))


def pinned(share: GpuPartition) -> tuple[str, ...]:
    """What to put before a command so that it and all its children keep to these cores."""
    possible = share.cores and shutil.which("taskset")
    return ("taskset", "--cpu-list", ",".join(map(str, share.cores))) if possible else ()
