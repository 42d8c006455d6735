"""Two brokers under one password: one that is used, and one that follows it and can take its place."""

import secrets
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from local_stack.servers import ports
from local_stack.servers.ports import LOOPBACK
from local_stack.servers.valkey import ValkeyServer


def pair(folder: Path) -> tuple[ValkeyServer, ValkeyServer]:
    password = secrets.token_hex(8)
    first, second = (ValkeyServer(folder / name, ports.pick_free(), password) for name in ("valkey", "standby"))
    return first, second


def follow(follower: ValkeyServer, master: ValkeyServer) -> None:
    """From its next start on, `follower` has what `master` has, and takes nothing from others."""
    follower.prepare()
    configure(follower, f"replicaof {LOOPBACK} {master.port}", f"masterauth {master.password}")


def configure(server: ValkeyServer, *lines: str) -> None:
    """From its next start on, and until `prepare` is called again."""
    with (server.data / "valkey.conf").open("a", encoding="ascii") as file:
        file.writelines(f"{line}\n" for line in lines)


def follows(follower: ValkeyServer) -> bool:
    """Whether it has all that its master had a moment ago. Raises RedisError."""
    with client(follower) as connected:
        return connected.info("replication").get("master_link_status") == "up"


def promote(follower: ValkeyServer) -> object:
    """It follows nobody any more. Raises RedisError."""
    with client(follower) as connected:
        return connected.replicaof("NO", "ONE")


def client(server: ValkeyServer) -> redis.Redis:
    """One connection, which a change of the password does not end, to a broker that is there: nobody waits for it."""
    once = Retry(NoBackoff(), 0)
    return redis.Redis.from_url(server.url, single_connection_client=True, socket_timeout=5, retry=once)
