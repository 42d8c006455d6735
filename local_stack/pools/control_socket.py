"""How a second command talks to a running pool: one line of JSON there, lines of JSON back until the last one."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from local_stack.pools.errors import PoolError, UsageError
from local_stack.pools.home import PoolHome

REFUSALS = {kind.__name__: kind for kind in (PoolError, UsageError)}
LINE_BYTES = 64 * 1024
ANSWER_SECONDS = 300.0
Answer = Callable[[Mapping[str, Any], Callable[[str], None]], Any]


def ask(home: PoolHome, request: Mapping[str, Any], say: Callable[[str], None]) -> Any:
    """The pool's answer; what it does meanwhile goes to `say`. Raises PoolError when it refuses or does not answer."""
    home.require_running()
    try:
        with home.short_address() as address, socket.socket(socket.AF_UNIX) as link:
            link.settimeout(ANSWER_SECONDS)
            link.connect(address)
            link.sendall(json.dumps(request).encode() + b"\n")
            for line in link.makefile("rb"):
                answer = json.loads(line)
                if "say" in answer:
                    say(answer["say"])
                    continue
                if "refused" in answer:
                    raise REFUSALS.get(answer["kind"], PoolError)(answer["refused"])
                return answer["done"]
    except (OSError, ValueError) as error:
        raise PoolError(f"The pool {home.name} (process {home.pid}) does not answer: {error}.") from None
    raise PoolError(f"The pool {home.name} ended before it had answered.")


@contextlib.asynccontextmanager
async def answering(home: PoolHome, answer: Callable[..., Any]) -> AsyncIterator[None]:
    """While this lasts, whoever may write to the socket is answered by `answer(request, say)`."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(_serve(reader, writer, answer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        await asyncio.shield(task)

    home.socket.unlink(missing_ok=True)
    with home.short_address() as address:
        server = await asyncio.start_unix_server(serve, path=address, limit=LINE_BYTES)
    home.socket.chmod(0o600)
    try:
        yield
    finally:
        server.close()
        for task in tasks:
            task.cancel()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Callable[..., Any]) -> None:
    """An asker that goes away does not undo what it asked for."""

    def send(**words: Any) -> None:
        with contextlib.suppress(OSError):
            writer.write(json.dumps(words).encode() + b"\n")

    try:
        request = json.loads(await reader.readline())
        send(done=await answer(request, lambda words: send(say=words)))
    except PoolError as error:
        send(refused=str(error), kind=type(error).__name__)
    except (ValueError, KeyError, TypeError) as error:
        send(refused=f"That is no request: {error!r}.", kind="UsageError")
    finally:
        with contextlib.suppress(OSError):
            await writer.drain()
            writer.close()
