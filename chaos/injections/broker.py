"""The broker: wiped, refusing, and busy with loading what it has saved."""

import shutil
from contextlib import suppress

import redis

from chaos import brokers, refusals
from chaos.fault_plan import Fault
from chaos.injections import undoing
from chaos.injections.undoing import CannotBeDoneError, Undo
from chaos.stack import Stack
from local_stack.servers.valkey import ValkeyServer

BALLAST = "chaos:ballast"
FILL = "for number = 1, tonumber(ARGV[1]) do redis.call('set', KEYS[1], number) end"
LOAD_DELAY_MICROSECONDS = 100
ENTRIES_A_SECOND = 4000
"""So many writes are loaded again in a second, each with that delay."""
AT_ONCE = 0.1


def wipe(stack: Stack, fault: Fault) -> Undo:
    """Every message and every binding is gone, and everybody's connection with them."""
    undoing.kill([stack.parts["valkey"]], fault.seconds)
    for file in stack.valkey.data.iterdir():
        if file.suffix != ".conf":
            shutil.rmtree(file) if file.is_dir() else file.unlink()
    return undoing.no_op


def refuse(stack: Stack, fault: Fault) -> Undo:
    try:
        broker = brokers.client(stack.valkey)
        refusals.refuse(broker, fault.draw)
    except redis.RedisError:
        raise CannotBeDoneError from None

    def grant() -> None:
        try:
            refusals.grant(broker, stack.valkey.password)
        except redis.RedisError:  # it did not hear of it in time; and one that is restarted refuses nothing
            with suppress(CannotBeDoneError):
                undoing.kill([stack.parts["valkey"]], AT_ONCE)
        broker.close()

    return grant


def load(stack: Stack, fault: Fault) -> Undo:
    """Killed and started again at once; it says LOADING until it has read a file that is slow to read."""
    try:
        with brokers.client(stack.valkey) as broker:
            broker.eval(FILL, 1, BALLAST, int(fault.seconds * ENTRIES_A_SECOND))
    except redis.RedisError:
        raise CannotBeDoneError from None
    brokers.configure(stack.valkey, f"key-load-delay {LOAD_DELAY_MICROSECONDS}")
    undoing.kill([stack.parts["valkey"]], AT_ONCE)

    def lighten() -> None:
        stack.valkey.prepare()
        with suppress(redis.RedisError), brokers.client(stack.valkey) as broker:
            broker.bgrewriteaof()

    return lighten


def fail_over(stack: Stack, fault: Fault) -> Undo:
    """The one that follows it takes its place and its address, and it is killed; later it comes back as the follower."""
    if not stack.shape.standby or not stack.parts["valkey"].running or not _promoted(stack.standby):
        raise CannotBeDoneError
    undoing.kill([stack.parts["valkey"]], fault.seconds)
    stack.standby.prepare()
    stack.promote_standby()
    brokers.follow(stack.standby, stack.valkey)
    return undoing.no_op


def _promoted(standby: ValkeyServer) -> bool:
    """Whether it is a master now; one that lacks something stays what it is."""
    with suppress(redis.RedisError):
        return brokers.follows(standby) and bool(brokers.promote(standby))
    return False
