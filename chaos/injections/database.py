"""PostgreSQL: all its processes stopped, or what the platform needs locked by a session of somebody else's."""

from typing import LiteralString

import psutil
import psycopg

from chaos.fault_plan import Fault
from chaos.injections import undoing
from chaos.injections.undoing import CannotBeDoneError, Undo
from chaos.stack import Stack

LOCKS: tuple[LiteralString, ...] = (
    "LOCK TABLE jobs_job IN ACCESS EXCLUSIVE MODE",
    "LOCK TABLE jobs_placement IN ACCESS EXCLUSIVE MODE",
    "LOCK TABLE workers_node IN ACCESS EXCLUSIVE MODE",
    "SELECT 1 FROM jobs_job WHERE finished_at IS NULL FOR UPDATE",
    "SELECT 1 FROM jobs_placement WHERE closed_at IS NULL FOR UPDATE",
    "SELECT 1 FROM workers_node FOR UPDATE",
)
"""As a migration takes them, and as somebody who forgets an open transaction in a console does."""


def freeze(stack: Stack, _fault: Fault) -> Undo:
    """Connections stay, and are still taken by the kernel, but nobody answers."""
    try:
        server = psutil.Process(stack.parts["postgres"].pid)
        server.suspend()  # first, so that it starts nobody whom we do not see
        sessions = server.children(recursive=True)
    except (psutil.Error, ValueError):
        raise CannotBeDoneError from None
    return undoing.stop([server.pid, *(session.pid for session in sessions)])


def lock(stack: Stack, fault: Fault) -> Undo:
    try:
        session = psycopg.connect(stack.postgres.url, connect_timeout=2, options="-c lock_timeout=2s")
        session.execute(LOCKS[int(fault.draw * len(LOCKS))])
    except psycopg.Error:
        raise CannotBeDoneError from None
    return session.close
