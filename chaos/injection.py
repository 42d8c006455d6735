"""What is done to the platform for each kind of fault, and how it is undone."""

import os
import shutil
import signal
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import redis
from celery import Celery
from kombu.exceptions import KombuError

from chaos import refusals
from chaos.fault_plan import Fault, FaultKind
from chaos.network import Line
from chaos.stack import Machine, Stack

Undo = Callable[[], None]
FRESH_LEASES = 0.6
LATE_MESSAGES = 40
TICKETS = """
    SELECT placement.id, attempt.token::text, node.name
    FROM jobs_placement AS placement
    JOIN jobs_attempt AS attempt ON attempt.id = placement.attempt_id
    JOIN workers_node AS node ON node.id = placement.node_id
    ORDER BY placement.id DESC LIMIT %s
"""
SPEAKS = """
    SELECT 1 FROM workers_node
    WHERE name = %s AND state = 'up' AND last_heartbeat_at > statement_timestamp() - make_interval(secs => %s)
"""


class CannotBeDoneError(Exception):
    """There is nothing just now to which this fault could be done."""


def inject(stack: Stack, fault: Fault) -> Undo:
    """Do it, and return what ends it after its time. Raises CannotBeDoneError."""
    if fault.kind in PART_OF:
        return _kill(stack, PART_OF[fault.kind], fault)
    return INJECTIONS[fault.kind](stack, fault)


def nothing() -> None:
    """There is nothing to undo."""


def _machine(stack: Stack, fault: Fault) -> Machine:
    return stack.machines[fault.node]


def _kill(stack: Stack, part: str, fault: Fault) -> Undo:
    if not stack.parts[part].running:
        raise CannotBeDoneError
    stack.parts[part].kill(fault.seconds)
    return nothing


def _kill_agent(stack: Stack, fault: Fault) -> Undo:
    agent = _machine(stack, fault).agent
    if not agent.running:
        raise CannotBeDoneError
    agent.kill(fault.seconds)
    return nothing


def _end_agent(stack: Stack, fault: Fault) -> Undo:
    agent = _machine(stack, fault).agent
    if not agent.running:
        raise CannotBeDoneError
    agent.end(signal.SIGQUIT if fault.kind == FaultKind.AGENT_UPGRADED else signal.SIGTERM, fault.seconds)
    return nothing


def _stop(pid: int) -> Undo:
    """SIGSTOP; undone by SIGCONT, if that process is still there."""
    try:
        process = psutil.Process(pid)
        process.suspend()
    except psutil.Error:
        raise CannotBeDoneError from None

    def go_on() -> None:
        with suppress(psutil.Error):
            process.resume()

    return go_on


def _stop_agent(stack: Stack, fault: Fault) -> Undo:
    return _stop(_machine(stack, fault).agent.pid or -1)


def _stop_planner(stack: Stack, _fault: Fault) -> Undo:
    return _stop(stack.parts["control"].pid or -1)


def _shim_of(stack: Stack, fault: Fault) -> psutil.Process:
    """One of the node's shims. Only of a node whose agent has just been heard of: see `fault_plan.plan_faults`."""
    shims = _machine(stack, fault).shims()
    if not shims or not _speaks(stack, _machine(stack, fault).name):
        raise CannotBeDoneError
    return shims[int(fault.draw * len(shims))]


def _speaks(stack: Stack, node: str) -> bool:
    with suppress(psycopg.Error), stack.database() as database:
        return database.execute(SPEAKS, [node, FRESH_LEASES * stack.shape.lease]).fetchone() is not None
    return False


def _kill_shim(stack: Stack, fault: Fault) -> Undo:
    with suppress(psutil.NoSuchProcess):
        _shim_of(stack, fault).kill()
    return nothing


def _stop_shim(stack: Stack, fault: Fault) -> Undo:
    return _stop(_shim_of(stack, fault).pid)


def _wipe_broker(stack: Stack, fault: Fault) -> Undo:
    """Every message and every binding is gone, and everybody's connection with them."""
    _kill(stack, "valkey", fault)
    for file in stack.valkey.data.iterdir():
        if file.suffix != ".conf":
            shutil.rmtree(file) if file.is_dir() else file.unlink()
    return nothing


def _refuse(stack: Stack, fault: Fault) -> Undo:
    broker = redis.Redis.from_url(stack.valkey.url, single_connection_client=True, socket_timeout=5)
    try:
        refusals.refuse(broker, fault.draw)
    except redis.RedisError:
        raise CannotBeDoneError from None

    def grant() -> None:
        with suppress(redis.RedisError), broker:  # one that was restarted meanwhile refuses nothing
            refusals.grant(broker, stack.valkey.password)

    return grant


def _set_lines(machine: Machine, line: Line) -> None:
    for proxy in machine.lines:
        proxy.set(line)


def _cut(stack: Stack, fault: Fault) -> Undo:
    machine = _machine(stack, fault)
    _set_lines(machine, Line.CUT if fault.kind == FaultKind.NETWORK_CUT else Line.DEAF)
    return lambda: _set_lines(machine, Line.OPEN)


def _fill_disk(stack: Stack, fault: Fault) -> Undo:
    filler = _machine(stack, fault).home / "filler"
    fill(filler)
    return lambda: filler.unlink(missing_ok=True)


def fill(path: Path) -> None:
    """Write to the file until its disk takes no more byte."""
    block = bytes(1024 * 1024)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        while block:
            try:
                os.write(descriptor, block)
            except OSError:
                block = block[: len(block) // 2]
    finally:
        os.close(descriptor)


def _forge(stack: Stack, fault: Fault) -> Undo:
    """Tickets again, old ones too, to the right node and to a wrong one, and with the tokens of others."""
    tickets = _tickets(stack)
    if not tickets:
        raise CannotBeDoneError
    names = [machine.name for machine in stack.machines]
    tokens = [token for _, token, _ in tickets]
    stranger = tokens[int(fault.draw * len(tokens))]
    messages = []
    for number, (placement_id, token, node) in enumerate(tickets):
        messages += [(node, placement_id, token)] * 2
        messages.append((names[number % len(names)], placement_id, token))
        messages += [
            (node, placement_id, false) for false in (stranger, str(uuid.UUID(int=number)), "x") if false != token
        ]
    _send(stack, messages)
    return nothing


def _tickets(stack: Stack) -> list[tuple[int, str, str]]:
    with suppress(psycopg.Error), stack.database() as database:
        rows = database.execute(TICKETS, [LATE_MESSAGES]).fetchall()
        return [(int(str(placement)), str(token), str(node)) for placement, token, node in rows]
    return []


def _send(stack: Stack, messages: Sequence[tuple[str, int, str]]) -> None:
    """By an application of our own, that has nothing in common with the platform's but the broker."""
    app = Celery("forger", broker=stack.valkey.url, set_as_current=False)
    app.conf.broker_transport_options = {"sep": ":", "priority_steps": list(range(10)), "socket_timeout": 2}
    try:
        with app.connection_for_write() as connection, app.amqp.Producer(connection) as producer:
            for node, placement_id, token in messages:
                queue = f"cpu.urgent.{node}"
                app.send_task(
                    "trainyard.run_placement",
                    [placement_id, token],
                    queue=queue,
                    priority=0,
                    producer=producer,
                    retry=False,
                )
    except (KombuError, OSError):
        raise CannotBeDoneError from None
    finally:
        app.close()


PART_OF = {
    FaultKind.PLANNER_KILLED: "control",
    FaultKind.BEAT_KILLED: "beat",
    FaultKind.WEB_KILLED: "web",
    FaultKind.BROKER_KILLED: "valkey",
    FaultKind.DATABASE_KILLED: "postgres",
}
INJECTIONS: dict[FaultKind, Callable[[Stack, Fault], Undo]] = {
    FaultKind.AGENT_KILLED: _kill_agent,
    FaultKind.AGENT_ENDED: _end_agent,
    FaultKind.AGENT_UPGRADED: _end_agent,
    FaultKind.AGENT_STOPPED: _stop_agent,
    FaultKind.SHIM_KILLED: _kill_shim,
    FaultKind.SHIM_STOPPED: _stop_shim,
    FaultKind.PLANNER_STOPPED: _stop_planner,
    FaultKind.BROKER_WIPED: _wipe_broker,
    FaultKind.BROKER_REFUSES: _refuse,
    FaultKind.NETWORK_CUT: _cut,
    FaultKind.NETWORK_DEAF: _cut,
    FaultKind.DISK_FULL: _fill_disk,
    FaultKind.MESSAGES_FORGED: _forge,
}
