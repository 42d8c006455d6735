"""What the injections have in common: processes killed, stopped and signalled, and what ends that again."""

import random
import signal
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

import psutil
import psycopg

from chaos.fault_plan import Fault
from chaos.network import LinkState
from chaos.processes import Part
from chaos.stack import Machine, Stack

Undo = Callable[[], None]
FRESH_LEASES = 0.6
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1)
SIGNALS_SENT = 40
SIGNALS_SECONDS = 0.8
SPEAKS = """
    SELECT 1 FROM workers_node
    WHERE name = %s AND state = 'up' AND last_heartbeat_at > statement_timestamp() - make_interval(secs => %s)
"""


class CannotBeDoneError(Exception):
    """There is nothing just now to which this fault could be done."""


def no_op() -> None:
    """There is nothing to undo."""


def machine_of(stack: Stack, fault: Fault) -> Machine:
    return stack.machines[fault.node]


def is_heard(stack: Stack, node: str) -> bool:
    """Whether the node's agent has just been heard of."""
    with suppress(psycopg.Error), stack.database() as database:
        return database.execute(SPEAKS, [node, FRESH_LEASES * stack.shape.lease]).fetchone() is not None
    return False


def kill(parts: Iterable[Part], back_after: float) -> Undo:
    """SIGKILL for those that run, all of them before the first is waited for."""
    running = [part for part in parts if part.running]
    if not running:
        raise CannotBeDoneError
    for part in running:
        part.signal(signal.SIGKILL)
    for part in running:
        part.kill(back_after)
    return no_op


def stop(pids: Iterable[int]) -> Undo:
    """SIGSTOP; undone by SIGCONT for those processes that are still there."""
    stopped = [process for pid in pids if (process := _stopped(pid))]
    if not stopped:
        raise CannotBeDoneError

    def go_on() -> None:
        for process in stopped:
            with suppress(psutil.Error):
                process.resume()

    return go_on


def _stopped(pid: int) -> psutil.Process | None:
    with suppress(psutil.Error):
        if pid:
            process = psutil.Process(pid)
            process.suspend()
            return process
    return None


def signal_often(pid: int, draw: float) -> Undo:
    """Forty signals within a second, in an order that `draw` settles."""
    if not pid or not psutil.pid_exists(pid):
        raise CannotBeDoneError
    numbers = random.Random(draw).choices(SIGNALS, k=SIGNALS_SENT)
    threading.Thread(target=_send, args=(psutil.Process(pid), numbers), daemon=True).start()
    return no_op


def _send(process: psutil.Process, numbers: Sequence[signal.Signals]) -> None:
    with suppress(psutil.Error):
        for number in numbers:
            process.send_signal(number)
            time.sleep(SIGNALS_SECONDS / SIGNALS_SENT)


def set_links(stack: Stack, fault: Fault, line: LinkState) -> None:
    """The node's lines to database and broker are like this from now on."""
    for proxy in machine_of(stack, fault).lines:
        proxy.set(line)
