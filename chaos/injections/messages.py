"""Messages that nobody should believe: sent again, late, to the wrong node and with the tokens of others."""

import uuid
from collections.abc import Sequence
from contextlib import suppress

import psycopg
from celery import Celery
from kombu.exceptions import KombuError

from chaos.fault_plan import Fault
from chaos.injections import undoing
from chaos.injections.undoing import CannotBeDoneError, Undo
from chaos.stack import Stack

LATE_MESSAGES = 40
TICKETS = """
    SELECT placement.id, attempt.token::text, node.name
    FROM jobs_placement AS placement
    JOIN jobs_attempt AS attempt ON attempt.id = placement.attempt_id
    JOIN workers_node AS node ON node.id = placement.node_id
    ORDER BY placement.id DESC LIMIT %s
"""


def forge(stack: Stack, fault: Fault) -> Undo:
    """Tickets again, old ones too, to the right node and to a wrong one, and with the tokens of others."""
    refs = _placement_refs(stack)
    if not refs:
        raise CannotBeDoneError
    names = [machine.name for machine in stack.machines]
    tokens = [token for _, token, _ in refs]
    stranger = tokens[int(fault.draw * len(tokens))]
    messages = []
    for number, (placement_id, token, node) in enumerate(refs):
        messages += [(node, placement_id, token)] * 2
        messages.append((names[number % len(names)], placement_id, token))
        messages += [
            (node, placement_id, false) for false in (stranger, str(uuid.UUID(int=number)), "x") if false != token
        ]
    _send(stack, messages)
    return undoing.no_op


def _placement_refs(stack: Stack) -> list[tuple[int, str, str]]:
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
