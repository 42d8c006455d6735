"""Which protocol agents and platform speak with each other, and what follows where they do not understand each other.

The protocol is all that the two write and read together: rows, what heartbeats carry, what is desired. Each release that
changes it so that the one before would misread it raises the number by one, and still understands the one before; so
fleets are upgraded under their jobs, in either order within one step. docs/design/upgrades.md has the rules.
"""

from typing import Any

from django.db import connection
from django.db.models.functions import Now

from scheduling.errors import ConflictError
from workers.models import Node, PlatformProtocol

PROTOCOL = 1
"""What this release speaks. 0 is what agents spoke that say nothing of it."""
OLDEST = PROTOCOL - 1
"""What it understands still."""
LOAD_KEY = "protocol"
"""Under which a heartbeat says it: in what it writes anew each time, so that an older agent's word takes its place."""


class ProtocolError(ConflictError):
    """This agent and its platform do not understand each other; to try again changes nothing."""


def spoken_by(node: Node) -> int | None:
    """What the node's agent speaks, by its last heartbeat; None while it is down."""
    if node.state == Node.State.DOWN:
        return None
    said = node.load.get(LOAD_KEY) if isinstance(node.load, dict) else None
    return said if isinstance(said, int) else 0 if said is None else -1


def why_not(agent: int, *, oldest: int = OLDEST, newest: int = PROTOCOL) -> str:
    """Why a platform that understands `oldest` to `newest` cannot work with an agent, and what to do; empty if it can."""
    if oldest <= agent <= newest:
        return ""
    remedy = (
        "upgrade the platform first (manage.py migrate, then manage.py agent_rights ROLE), or start the agent of its release"
        if agent > newest
        else "upgrade the agent"
    )
    understood = f"{oldest} and {newest}" if oldest < newest else f"{newest}"
    return f"The agent speaks protocol {agent}, the platform {understood}: {remedy}."


def skew(agent: int | None) -> str:
    """What there is to say of an agent that does not speak what this platform speaks; empty of one that does."""
    if agent is None or agent == PROTOCOL:
        return ""
    if refused := why_not(agent):
        return f"{refused} It gets nothing new; what runs there goes on."
    return (
        f"Its agent speaks protocol {agent}, one before the platform's {PROTOCOL}: upgrade it before the next release."
    )


def publish(*, using: str = "default", **_: Any) -> None:
    """Write down what the platform understands, for agents to read: whoever brings the tables up to date does so."""
    PlatformProtocol.objects.using(using).update_or_create(pk=1, defaults={"oldest": OLDEST, "newest": PROTOCOL})


def why_not_here() -> str:
    """Why this agent cannot work with the platform whose database this is; empty if it can, or if nothing is said of it."""
    if not _platform_has_protocols():
        return why_not(PROTOCOL, oldest=0, newest=0)
    row = PlatformProtocol.objects.filter(pk=1).first()
    return "" if row is None else why_not(PROTOCOL, oldest=row.oldest, newest=row.newest)


def agree(name: str) -> None:
    """Raise ProtocolError, and leave a word of it in the node's row, where this agent cannot work with its platform."""
    words = why_not_here()
    if not words:
        return
    if _platform_has_protocols():  # else its rows have no place for it
        Node.objects.filter(name=name).update(refusal=words[:500], refused_at=Now())
    raise ProtocolError(words)


def _platform_has_protocols() -> bool:
    """Also where nothing is to be seen yet, no table or no right to see one: that is not for this check to judge."""
    visible = "SELECT to_regclass(%s) IS NULL OR to_regclass(%s) IS NOT NULL"
    tables = [model._meta.db_table for model in (Node, PlatformProtocol)]  # noqa: SLF001  Django's own way
    with connection.cursor() as cursor:
        cursor.execute(visible, tables)
        return bool(cursor.fetchone()[0])
