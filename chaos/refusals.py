"""A broker that runs and answers with errors, in one of the ways in which real ones do."""

from collections.abc import Callable
from pathlib import Path

import redis

Refusal = Callable[[redis.Redis], object]
MORE_THAN_THERE_ARE = 2


def _read_only(broker: redis.Redis) -> object:
    """As after a failover."""
    return broker.replicaof("127.0.0.1", 1)


def _without_replicas(broker: redis.Redis) -> object:
    return broker.config_set("min-replicas-to-write", MORE_THAN_THERE_ARE)


def _out_of_memory(broker: redis.Redis) -> object:
    return broker.config_set("maxmemory", 1)


def _other_password(broker: redis.Redis) -> object:
    broker.config_set("requirepass", "another")
    return broker.client_kill_filter(_type="normal", skipme=True)


def _disk_full(broker: redis.Redis) -> object:
    """It cannot save what it has, since a folder lies where the file should be, and so it takes nothing more: MISCONF."""
    _snapshot(broker).mkdir(exist_ok=True)
    broker.config_set("save", "3600 1000000")
    return broker.bgsave()


def _snapshot(broker: redis.Redis) -> Path:
    return Path(str(broker.config_get("dir")["dir"])) / "dump.rdb"


def _forbidden(broker: redis.Redis) -> object:
    """An access list that was changed by mistake: NOPERM."""
    broker.acl_setuser("default", categories=["-@write", "-@blocking"], enabled=True)
    return broker.client_kill_filter(_type="normal", skipme=True)


REFUSALS: tuple[Refusal, ...] = (
    _read_only,
    _without_replicas,
    _out_of_memory,
    _other_password,
    _disk_full,
    _forbidden,
)


def refuse(broker: redis.Redis, draw: float) -> None:
    """From now on it refuses, in a way that `draw` (0 to 1) chooses. The connection itself goes on."""
    REFUSALS[int(draw * len(REFUSALS))](broker)


def grant(broker: redis.Redis, password: str) -> None:
    """Whatever it refused, it refuses no more."""
    broker.replicaof("NO", "ONE")
    broker.config_set("min-replicas-to-write", 0)
    broker.config_set("maxmemory", 0)
    broker.config_set("save", "")
    _clear(_snapshot(broker))
    broker.acl_setuser("default", categories=["+@all"], enabled=True)
    broker.config_set("requirepass", password)


def _clear(snapshot: Path) -> None:
    if snapshot.is_dir():
        snapshot.rmdir()
