"""One process of the stack: started, its lines shown under its name, started again when it dies, ended on demand."""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from scheduler_site.local_stack.errors import StackError
from scheduler_site.local_stack.line_pipe import LinePipe

FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0
STEADY_SECONDS = 30.0  # after this long a process counts as healthy, and its next death as its first


@dataclass(frozen=True)
class Role:
    """What to run, and how to end it."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signal: signal.Signals = signal.SIGTERM
    folder: Path | None = None


@dataclass(frozen=True)
class Hooks:
    """Whom a process tells what happens to it."""

    show: Callable[[str, str], None]
    started: Callable[[Role, int], None]


class SupervisedProcess:
    """Keeps one role running until it is stopped."""

    def __init__(self, role: Role, hooks: Hooks) -> None:
        self.role = role
        self._hooks = hooks
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self.deaths = 0

    def start(self) -> None:
        self._keeper = asyncio.create_task(self._keep_running())

    async def until_ready(self, is_ready: Callable[[], bool], seconds: float) -> None:
        """Return once `is_ready` says so; StackError when the process ends before, or takes too long."""
        give_up_at = asyncio.get_running_loop().time() + seconds
        while not await asyncio.to_thread(is_ready):
            if self.deaths:
                raise StackError(f"{self.role.name} ended as soon as it was started; its own lines above say why.")
            if asyncio.get_running_loop().time() > give_up_at:
                raise StackError(f"{self.role.name} was not ready within {seconds:g} s; see its lines above.")
            await asyncio.sleep(0.03)

    def ask_to_stop(self, signal_number: signal.Signals | None = None) -> None:
        """Send its stop signal (or another), and do not start it again."""
        self._stopping.set()
        if self._process and self._process.returncode is None:
            self._signal(signal_number or self.role.stop_signal)

    async def stopped(self, within: float) -> None:
        """Return once it has ended; after `within` seconds it and all its children are killed."""
        if self._keeper is None:
            return
        done, _ = await asyncio.wait([self._keeper], timeout=max(within, 0))
        if not done:
            self._hooks.show("stack", f"{self.role.name} did not stop in time and is killed")
            self.ask_to_stop(signal.SIGKILL)
            await asyncio.wait([self._keeper], timeout=1)

    async def _keep_running(self) -> None:
        delay = FIRST_DELAY
        clock = asyncio.get_running_loop()
        while not self._stopping.is_set():
            began = clock.time()
            code = await self._run_once()
            if self._stopping.is_set():
                return
            self.deaths += 1
            delay = FIRST_DELAY if clock.time() - began > STEADY_SECONDS else delay
            self._hooks.show("stack", f"{self.role.name} {_ending(code)}; it is started again in {delay:g} s")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)
            delay = min(delay * 2, LONGEST_DELAY)

    async def _run_once(self) -> int:
        pipe = LinePipe(partial(self._hooks.show, self.role.name))
        try:
            self._process = await self._spawn(pipe.write_end)
        except OSError as error:
            pipe.close()
            self._hooks.show(self.role.name, f"cannot be started: {error}")
            return error.errno or 1
        pipe.start_reading()
        self._hooks.started(self.role, self._process.pid)
        code = await self._process.wait()
        self._signal(signal.SIGKILL)  # what it left behind in its group would hold its port
        await pipe.finish()
        return code

    async def _spawn(self, output: int) -> asyncio.subprocess.Process:
        # A session of its own: Ctrl-C reaches the supervisor alone, which then stops everything in its order.
        return await asyncio.create_subprocess_exec(
            *self.role.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **self.role.environment},
            cwd=self.role.folder,
            start_new_session=True,
        )

    def _signal(self, signal_number: signal.Signals) -> None:
        assert self._process  # noqa: S101  callers have looked
        with suppress(ProcessLookupError, PermissionError):
            if signal_number == signal.SIGKILL:
                os.killpg(self._process.pid, signal_number)
            else:
                self._process.send_signal(signal_number)


def _ending(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
