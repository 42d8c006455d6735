"""Agents: killed, stopped and signalled, one or all at once; and a second one beside the first."""

import random
import signal
from collections.abc import Callable, Sequence

from chaos.fault_kinds import FaultKind
from chaos.fault_plan import Fault
from chaos.injections import undoing
from chaos.injections.undoing import CannotBeDoneError, Undo, machine_of
from chaos.processes import Part
from chaos.stack import Stack

REFUSED = 1
LINES = 1
IN_THE_SAME_FOLDER = 0.5
"""So many of the twins are started in the folder of the first, the others in one of their own."""


def kill_one(stack: Stack, fault: Fault) -> Undo:
    return undoing.kill([machine_of(stack, fault).agent], fault.seconds)


def kill_all(stack: Stack, fault: Fault) -> Undo:
    return undoing.kill([machine.agent for machine in stack.machines], fault.seconds)


def stop_one(stack: Stack, fault: Fault) -> Undo:
    return undoing.stop([machine_of(stack, fault).agent.pid])


def stop_all(stack: Stack, _fault: Fault) -> Undo:
    return undoing.stop([machine.agent.pid for machine in stack.machines])


def signal_one(stack: Stack, fault: Fault) -> Undo:
    return undoing.signal_often(machine_of(stack, fault).agent.pid, fault.draw)


def end(stack: Stack, fault: Fault) -> Undo:
    agent = machine_of(stack, fault).agent
    if not agent.running:
        raise CannotBeDoneError
    agent.end(signal.SIGQUIT if fault.kind == FaultKind.AGENT_UPGRADED else signal.SIGTERM, fault.seconds)
    return undoing.no_op


def start_twin(stack: Stack, fault: Fault) -> Undo:
    """A second agent of the node, in the folder of the first or in another one."""
    machine = machine_of(stack, fault)
    if not machine.agent.running or not undoing.is_heard(stack, machine.name):
        raise CannotBeDoneError
    same = random.Random(fault.draw).random() < IN_THE_SAME_FOLDER
    own = {} if same else {"TRAINYARD_HOME": str(stack.folder / f"twin-{fault.number}")}
    twin = machine.agent.twin(f"twin-{fault.number}", own)
    twin.start()
    return _end_of(twin, stack, machine.name, first=machine.agent.pid, held=same)


def _end_of(twin: Part, stack: Stack, node: str, *, first: int, held: bool) -> Callable[[], None]:
    """Whoever shares a folder with an agent that lives is refused; in another, it may be waiting for the database."""

    def look() -> None:
        code, lines = twin.code, twin.said()
        twin.close(0)
        agent = next(machine.agent for machine in stack.machines if machine.name == node)
        said = f"A second agent of {node} ended with {code} and said: {' / '.join(lines[-5:])}"
        print(said, flush=True)
        if agent.pid == first and disobeys(code, lines, held=held):
            stack.twins.append(said)

    return look


def disobeys(code: int | None, lines: Sequence[str], *, held: bool) -> bool:
    """Whether a second agent was not refused in one line with 1; `held`: the first one holds its folder.

    One that says nothing yet is still starting; in a folder of its own it may be waiting for the database to answer.
    """
    if code is None:
        return held and bool(lines)
    return code != REFUSED or len(lines) != LINES
