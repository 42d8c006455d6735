"""What the stack makes up at its first start and keeps: internal ports, passwords, the secret key."""

import json
import secrets
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from local_stack.servers import ports, private_files
from local_stack.servers.errors import StackError


@dataclass(frozen=True)
class SavedSettings:
    secret_key: str
    postgres_password: str
    postgres_port: int
    valkey_password: str
    valkey_port: int
    admin_password: str
    flower_password: str
    agent_password: str = ""
    """Of the agents' own role in the database. A home from before there was one gets it with its next start."""


def recall(path: Path) -> SavedSettings:
    """What `path` holds, made up at the first call. A port that some other program took meanwhile is replaced."""
    known = _read(path) if path.exists() else _make_up()
    current = replace(
        known,
        agent_password=known.agent_password or secrets.token_urlsafe(24),
        postgres_port=_still_free(known.postgres_port),
        valkey_port=_still_free(known.valkey_port),
    )
    private_files.write(path, json.dumps(asdict(current), indent=1))
    return current


def _read(path: Path) -> SavedSettings:
    try:
        return SavedSettings(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        raise StackError(
            f"{path} is damaged: restore it from a backup. Without it the passwords of the data beside it are lost."
        ) from None


def _make_up() -> SavedSettings:
    return SavedSettings(
        secret_key=secrets.token_urlsafe(48),
        postgres_password=secrets.token_urlsafe(24),
        postgres_port=ports.pick_free(),
        valkey_password=secrets.token_urlsafe(24),
        valkey_port=ports.pick_free(),
        admin_password=secrets.token_urlsafe(12),
        flower_password=secrets.token_urlsafe(12),
    )


def _still_free(port: int) -> int:
    return port if ports.is_free(port) else ports.pick_free()
