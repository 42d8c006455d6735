"""A real client of the protocol, on `trainyard mcp` in a process of its own, against the real site."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from knox.models import AuthToken
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from tests import builders

PROGRAM = ["-c", "import cli.main; cli.main.main()", "mcp"]
SOURCE = Path(__file__).parents[3]
SECONDS = 30


class Agent:
    """What an agent can do: see the tools, and call them."""

    def __init__(self, connected: Callable[[], Any]) -> None:
        self._connected = connected

    def tools(self) -> dict[str, Any]:
        return {one.name: one for one in self._do(lambda client: client.list_tools()).tools}

    def call(self, name: str, **arguments: Any) -> Any:
        """What the tool answers; a refusal fails the test."""
        result = self._do(lambda client: client.call_tool(name, arguments))
        assert not result.is_error, result.content
        return result.structured_content

    def refused(self, name: str, **arguments: Any) -> str:
        """What the agent reads of a refusal."""
        result = self._do(lambda client: client.call_tool(name, arguments))
        assert result.is_error, result.structured_content
        [said] = result.content
        assert "Traceback" not in said.text
        return said.text

    def _do(self, ask: Callable[[Client], Any]) -> Any:
        async def once() -> Any:
            async with self._connected() as client:
                return await ask(client)

        return asyncio.run(once())


@pytest.fixture
def ada(live_server):
    """A member of the project `vision`."""
    builders.queue(name="default")
    ada = builders.user(username="ada")
    builders.project(slug="vision", members=[ada])
    return ada


@pytest.fixture
def token(ada) -> str:
    return AuthToken.objects.create(ada)[1]


@pytest.fixture
def over_stdio(live_server):
    """An agent that starts the program itself, with this token and this server."""

    def start(token: str, url: str = live_server.url) -> Agent:
        env = {**os.environ, "PYTHONPATH": str(SOURCE), "TRAINYARD_URL": url, "TRAINYARD_TOKEN": token}
        return Agent(lambda: Client(StdioServerParameters(command=sys.executable, args=PROGRAM, env=env)))

    return start


@pytest.fixture(scope="session")
def address(live_server) -> Iterator[str]:
    """Where one program runs for all who come over HTTP."""
    with serving(live_server.url) as address:
        yield address


@pytest.fixture
def over_http(address) -> Callable[[str], Agent]:
    """Agents that reach the running program, each with a token of its own."""

    def start(token: str) -> Agent:
        headers = {"Authorization": f"Bearer {token}"} if token else {}

        def connected() -> Client:
            http = httpx2.AsyncClient(headers=headers, timeout=SECONDS)
            return Client(streamable_http_client(f"{address}/mcp", http_client=http))

        return Agent(connected)

    return start


@contextmanager
def serving(url: str) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [*PROGRAM, "--url", url, "--http", f"127.0.0.1:{port}"]
    with subprocess.Popen([sys.executable, *words], cwd=SOURCE) as process:
        try:
            give_up = time.monotonic() + SECONDS
            while not reachable(port):
                assert process.poll() is None
                assert time.monotonic() < give_up
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(SECONDS)


def reachable(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.2).close()
    except OSError:
        return False
    return True
