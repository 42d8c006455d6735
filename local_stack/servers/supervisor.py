"""Starts the stack's processes in order, keeps them running, and stops them in order.

That takes ten seconds at most, beside what jobs may take to save their work; a second signal cuts that short.
"""

import asyncio
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from local_stack.servers import orphans
from local_stack.servers.orphans import Recorded
from local_stack.servers.output import PrefixedOutput
from local_stack.servers.processes import Hooks, Role, SupervisedProcess

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# What is left of the ten seconds for those that stop after this group: Trainyard's own, the broker, the database.
STOP_SECONDS = 9.0
RESERVED_SECONDS = 1.0
READY_SECONDS = 60.0


class Supervisor:
    """Runs processes in groups: a later group is started after, and stopped before, the earlier ones."""

    def __init__(self, output: PrefixedOutput, process_list: Path, *, stop_seconds: float = STOP_SECONDS) -> None:
        self._stop_seconds = stop_seconds
        self._output = output
        self._process_list = process_list
        self._groups: list[list[SupervisedProcess]] = []
        self._running: dict[str, Recorded] = {}
        self._hooks = Hooks(show=output.show, started=self._record)
        self.stop_requested = asyncio.Event()
        self._hurry = asyncio.Event()

    def listen_for_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self._on_signal, number)

    def start(self, *roles: Role) -> None:
        """Start a group of processes and keep them running."""
        group = [SupervisedProcess(role, self._hooks) for role in roles]
        self._groups.append(group)
        for process in group:
            process.start()

    async def until_ready(self, name: str, is_ready: Callable[[], bool]) -> None:
        """Return once `is_ready` says so; StackError when the process of that name ends first, or takes too long."""
        process = next(one for group in self._groups for one in group if one.role.name == name)
        await process.until_ready(is_ready, READY_SECONDS)

    async def stop(self) -> None:
        """Stop the groups, last one first; what does not stop in its time is killed."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._stop_seconds
        for earlier, group in reversed(list(enumerate(self._groups))):
            for process in group:
                process.ask_to_stop()
            end += await self._be_patient(group)
            within = end - loop.time() - earlier * RESERVED_SECONDS
            await asyncio.gather(*(process.stopped(within) for process in group))
        orphans.record(self._process_list, [])

    async def _be_patient(self, group: Sequence[SupervisedProcess]) -> float:
        """Wait as long as some of the group may take beyond the others' time; returns the seconds that took."""
        loop = asyncio.get_running_loop()
        began, patience = loop.time(), max((process.role.patience for process in group), default=0.0)
        if patience:
            waits: list[asyncio.Task[object]] = [
                asyncio.create_task(_all_ended(group)),
                asyncio.create_task(self._hurry.wait()),
            ]
            await asyncio.wait(waits, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
        return loop.time() - began

    def _on_signal(self, number: signal.Signals) -> None:
        if self.stop_requested.is_set():
            self._output.show(
                "stack", f"{number.name} received again: jobs that still save their work are not waited for"
            )
            self._hurry.set()
        else:
            self._output.show("stack", f"{number.name} received: stopping, once jobs have had their grace")
        self.stop_requested.set()

    def _record(self, role: Role, pid: int) -> None:
        recorded = Recorded.of(role.name, pid, role.stop_signal)
        if recorded:
            self._running[role.name] = recorded
            orphans.record(self._process_list, self._running.values())


async def _all_ended(group: Sequence[SupervisedProcess]) -> None:
    for process in group:
        await process.ended()
