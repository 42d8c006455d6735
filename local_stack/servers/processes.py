"""One process of the stack: started, its lines shown under its name, started again when it dies, ended on demand."""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from local_stack.servers.errors import StackError
from local_stack.servers.line_pipe import LinePipe

SUPERVISOR = "stack"  # whose lines these are
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
    patience: float = 0.0
    """So many seconds more than other processes it may take to stop: an agent waits for its jobs to save their work."""
    folder: Path | None = None
    give_up_after: int | None = None
    """So many deaths in a row, none after a steady run, and it is not started again; None: it always is."""
    final_code: int | None = None
    """The exit code of who says that to be started again would change nothing: it is given up at once."""


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
        self._replacing = False
        self._keeper: asyncio.Task[None] | None = None
        self.deaths = 0
        self.given_up = False
        self.refused = False

    def start(self) -> None:
        self.given_up = self.refused = False
        self._stopping.clear()
        self._keeper = asyncio.create_task(self._keep_running())

    @property
    def pid(self) -> int | None:
        """Of the process that runs now; None between two, and after the last one."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if self._process is not None and running else None

    @property
    def over(self) -> bool:
        """Whether it runs no more and is not started again."""
        return self._keeper is not None and self._keeper.done()

    async def replace(self, signal_number: signal.Signals, within: float) -> None:
        """End the process with this signal, after `within` seconds by SIGKILL, and start its successor at once."""
        before = self._process
        if before is None or before.returncode is not None or self.over:
            if self.over:
                self.start()
            return
        self._replacing = True
        self._signal(signal_number)
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(before.wait()), within)
        if before.returncode is None:
            self._hooks.show(SUPERVISOR, f"{self.role.name} did not leave in time and is killed")
            before.kill()

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

    async def ended(self) -> None:
        """Return once it has ended by itself."""
        if self._keeper is not None:
            await asyncio.wait([self._keeper])

    async def stopped(self, within: float) -> None:
        """Return once it has ended; after `within` seconds it and all its children are killed."""
        if self._keeper is None:
            return
        done, _ = await asyncio.wait([self._keeper], timeout=max(within, 0))
        if not done:
            self._hooks.show(SUPERVISOR, f"{self.role.name} did not stop in time and is killed")
            self.ask_to_stop(signal.SIGKILL)
            await asyncio.wait([self._keeper], timeout=1)

    async def _keep_running(self) -> None:
        in_a_row = 0
        clock = asyncio.get_running_loop()
        while not self._stopping.is_set():
            began = clock.time()
            code = await self._run_once()
            if self._stopping.is_set():
                return
            if self._replacing:
                self._replacing, in_a_row = False, 0
                continue
            self.deaths += 1
            if code == self.role.final_code:
                self._be_refused(code)
                return
            in_a_row = 1 if clock.time() - began > STEADY_SECONDS else in_a_row + 1
            if self.role.give_up_after is not None and in_a_row >= self.role.give_up_after:
                self._give_up(code, in_a_row)
                return
            await self._pause(code, min(FIRST_DELAY * 2 ** min(in_a_row - 1, 10), LONGEST_DELAY))

    async def _pause(self, code: int, delay: float) -> None:
        self._hooks.show(SUPERVISOR, f"{self.role.name} {_end_of(code)}; it is started again in {delay:g} s")
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), delay)

    def _give_up(self, code: int, in_a_row: int) -> None:
        self.given_up = True
        sentence = (
            f"{self.role.name} {_end_of(code)}, {in_a_row} times in a row: it is given up; its lines above say why"
        )
        self._hooks.show(SUPERVISOR, sentence)

    def _be_refused(self, code: int) -> None:
        self.given_up = self.refused = True
        self._hooks.show(
            SUPERVISOR, f"{self.role.name} {_end_of(code)}, and is not started again: its lines above say why"
        )

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


def _end_of(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
