"""What is done to the platform for each kind of fault, and how it is undone: one module for each part that it is done to.

May import the stack, the network and the kinds of faults; the storm imports it.
"""

from collections.abc import Callable
from functools import partial

from chaos.fault_kinds import FaultKind
from chaos.fault_plan import Fault
from chaos.injections import agents, broker, database, folders, messages, nodes
from chaos.injections.undoing import CannotBeDoneError, Undo, kill, set_links, signal_often, stop
from chaos.network import LinkState
from chaos.stack import Stack

__all__ = ["CannotBeDoneError", "Undo", "inject"]

PART_OF = {
    "planner": "control",
    "beat": "beat",
    "web": "web",
    "broker": "valkey",
    "database": "postgres",
}
"""The parts that there are once, by the first word of what is done to them."""


def inject(stack: Stack, fault: Fault) -> Undo:
    """Do it, and return what ends it after its time. Raises CannotBeDoneError."""
    if fault.kind in INJECTIONS:
        return INJECTIONS[fault.kind](stack, fault)
    word, _, what = fault.kind.partition(" ")
    return ON_A_PART[what](stack, PART_OF[word], fault)


def _kill(stack: Stack, part: str, fault: Fault) -> Undo:
    return kill([stack.parts[part]], fault.seconds)


def _stop(stack: Stack, part: str, _fault: Fault) -> Undo:
    return stop([stack.parts[part].pid])


def _signal(stack: Stack, part: str, fault: Fault) -> Undo:
    return signal_often(stack.parts[part].pid, fault.draw)


def _set_links(line: LinkState, stack: Stack, fault: Fault) -> Undo:
    set_links(stack, fault, line)
    return lambda: set_links(stack, fault, LinkState.OPEN)


ON_A_PART: dict[str, Callable[[Stack, str, Fault], Undo]] = {"killed": _kill, "stopped": _stop, "signalled": _signal}
INJECTIONS: dict[FaultKind, Callable[[Stack, Fault], Undo]] = {
    FaultKind.AGENT_KILLED: agents.kill_one,
    FaultKind.AGENT_STOPPED: agents.stop_one,
    FaultKind.AGENT_ENDED: agents.end,
    FaultKind.AGENT_UPGRADED: agents.end,
    FaultKind.AGENT_SIGNALLED: agents.signal_one,
    FaultKind.AGENT_TWICE: agents.start_twin,
    FaultKind.AGENTS_KILLED: agents.kill_all,
    FaultKind.AGENTS_STOPPED: agents.stop_all,
    FaultKind.NODE_FROZEN: nodes.freeze,
    FaultKind.SHIM_KILLED: nodes.kill_shim,
    FaultKind.SHIM_STOPPED: nodes.stop_shim,
    FaultKind.BROKER_WIPED: broker.wipe,
    FaultKind.BROKER_REFUSES: broker.refuse,
    FaultKind.BROKER_LOADING: broker.load,
    FaultKind.BROKER_REPLACED: broker.fail_over,
    FaultKind.DATABASE_STOPPED: database.freeze,
    FaultKind.DATABASE_LOCKED: database.lock,
    FaultKind.NETWORK_CUT: partial(_set_links, LinkState.CUT),
    FaultKind.NETWORK_DEAF: partial(_set_links, LinkState.DEAF),
    FaultKind.DISK_FULL: folders.fill_disk,
    FaultKind.DISK_READ_ONLY: folders.make_read_only,
    FaultKind.DISK_ROBBED: folders.rob,
    FaultKind.MESSAGES_FORGED: messages.forge,
}
