"""What runs on a node beside its agent: shims killed and stopped, and everything frozen at once."""

import time
from collections.abc import Iterator
from contextlib import suppress

import psutil

from chaos.fault_plan import Fault
from chaos.history import Frozen
from chaos.injections import undoing
from chaos.injections.undoing import CannotBeDoneError, Undo, machine_of
from chaos.stack import Machine, Stack, marked

ROUNDS = 5
"""Who is being born while the others are stopped is found in the next round."""


def kill_shim(stack: Stack, fault: Fault) -> Undo:
    with suppress(psutil.NoSuchProcess):
        _shim_of(stack, fault).kill()
    return undoing.no_op


def stop_shim(stack: Stack, fault: Fault) -> Undo:
    return undoing.stop([_shim_of(stack, fault).pid])


def _shim_of(stack: Stack, fault: Fault) -> psutil.Process:
    """One of the node's shims. Only of a node whose agent has just been heard of: see `fault_kinds.LOOKED_AFTER`."""
    machine = machine_of(stack, fault)
    shims = machine.shims()
    if not shims or not undoing.is_heard(stack, machine.name):
        raise CannotBeDoneError
    return shims[int(fault.draw * len(shims))]


def freeze(stack: Stack, fault: Fault) -> Undo:
    """Everything of the node stands still, as a virtual machine does while it is moved."""
    machine = machine_of(stack, fault)
    if not machine.agent.running:
        raise CannotBeDoneError
    stopped: dict[int, Undo] = {}
    for _ in range(ROUNDS):
        for process in _everything_on(machine):
            if process.pid not in stopped:
                with suppress(CannotBeDoneError):
                    stopped[process.pid] = undoing.stop([process.pid])
    began = time.monotonic()

    def thaw() -> None:
        stack.frozen.append(Frozen(machine.name, began, time.monotonic()))
        for go_on in stopped.values():
            go_on()

    return thaw


def _everything_on(machine: Machine) -> Iterator[psutil.Process]:
    """Agent and helpers first, then shims and jobs: nothing that could start another is found too late."""
    with suppress(psutil.Error):
        agent = psutil.Process(machine.agent.pid)
        yield from (agent, *agent.children(recursive=True))
    yield from machine.shims()
    yield from marked(f"{machine.home}/")
