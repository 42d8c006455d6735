"""The local stack as a whole: what is started, in which order."""

import asyncio
import os
import signal
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from cryptography.fernet import Fernet

from executors.celery_worker import shutdown
from local_stack.servers import (
    accounts,
    environment,
    orphans,
    ports,
    postgres,
    private_files,
    roles,
    saved_settings,
    scaled_pool,
    valkey,
    web,
)
from local_stack.servers.announced import announced
from local_stack.servers.banner import Addresses, show_banner
from local_stack.servers.errors import StackError
from local_stack.servers.home import Home
from local_stack.servers.output import PrefixedOutput
from local_stack.servers.processes import Role
from local_stack.servers.saved_settings import SavedSettings
from local_stack.servers.supervisor import Supervisor

CODE_URL = "TRAINYARD_CODE_URL"
"""Where its agents fetch the code that jobs bring along, and their secrets."""
SECRETS_KEYS = "TRAINYARD_SECRETS_KEYS"


@dataclass(frozen=True)
class Options:
    """What the person who starts the stack asks for. A URL is that of a server of theirs, or empty."""

    web_port: int
    flower_port: int
    nodes: tuple[roles.NodeSpec, ...]
    most_scaled: int = 0
    """So many small agents may come and go as jobs need them."""
    database_url: str = ""
    broker_url: str = ""
    secret_key: str = ""
    database_seconds: float = 30
    """How long to wait for a database of theirs."""


class LocalStack:
    """PostgreSQL, Valkey and Trainyard's processes on one machine."""

    def __init__(self, home: Home, options: Options, output: PrefixedOutput, *, listed_in: Path | None = None) -> None:
        self._home = home
        self._listed_in = listed_in
        self._options = options
        self._output = output
        self._supervisor = Supervisor(output, home.process_list)
        self._agent_url = ""  # of theirs nothing is known but DATABASE_URL
        self._began = time.monotonic()

    def run(self) -> None:
        """Run until a signal asks to stop; StackError when it cannot start."""
        self._home.prepare()
        with self._home.locked():
            for name in orphans.clear_away(self._home.process_list):
                self._say(f"ended {name}, left over from a stack that was killed")
            self._check_ports()
            with announced(self._home.folder.resolve(), self._listed_in):
                asyncio.run(self._run(saved_settings.recall(self._home.settings_file)))

    def _check_ports(self) -> None:
        settings = {"TRAINYARD_PORT": self._options.web_port, "FLOWER_PORT": self._options.flower_port}
        for setting, port in settings.items():
            if not ports.is_free(port):
                raise StackError(f"Port {port} is taken by another program: set {setting} to a free one.")

    async def _run(self, known: SavedSettings) -> None:
        self._supervisor.listen_for_signals()
        starting = asyncio.create_task(self._start(known))
        asked_to_stop = asyncio.create_task(self._supervisor.stop_requested.wait())
        try:
            await asyncio.wait([starting, asked_to_stop], return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
            await asked_to_stop
        finally:
            starting.cancel()
            await self._supervisor.stop()
            self._say("stopped")

    async def _start(self, known: SavedSettings) -> None:
        database_url = await self._database(known)
        broker_url = await self._broker(known)
        self._publish_environment(database_url, broker_url, known)
        await asyncio.to_thread(self._prepare_accounts, database_url, known)
        self._start_platform(known)
        await self._supervisor.until_ready("web", partial(web.answers, self._options.web_port))
        seconds = time.monotonic() - self._began
        if self._output.one_object_a_line:
            self._say(f"Trainyard is up after {seconds:.1f} s at {self._addresses().web}")
        else:
            show_banner(self._addresses(), self._home, seconds=seconds)

    async def _database(self, known: SavedSettings) -> str:
        """The URL of a database that answers: theirs, or else ours, started."""
        if self._options.database_url:
            await self._until_database_answers(self._options.database_url)
            return self._options.database_url
        server = postgres.PostgresServer(self._home.postgres, known.postgres_port, known.postgres_password)
        await asyncio.to_thread(server.prepare)
        self._supervisor.start(Role("postgres", tuple(server.command), stop_signal=signal.SIGINT))
        await self._supervisor.until_ready("postgres", server.is_ready)
        self._agent_url = server.agent_url(known.agent_password)
        return server.url

    async def _until_database_answers(self, url: str) -> None:
        seconds = self._options.database_seconds
        give_up_at = time.monotonic() + seconds
        while problem := await asyncio.to_thread(postgres.connection_problem, url):
            if time.monotonic() > give_up_at:
                raise StackError(
                    f"The database of DATABASE_URL did not answer within {seconds:g} s: {problem}. "
                    "Start it, correct DATABASE_URL, or unset it to use the embedded PostgreSQL."
                )
            self._say(f"waiting for the database of DATABASE_URL: {problem}")
            await asyncio.sleep(min(2, seconds))

    async def _broker(self, known: SavedSettings) -> str:
        """The URL of the broker: theirs, whether it answers or not, or else ours, started."""
        if self._options.broker_url:
            if not await asyncio.to_thread(valkey.answers, self._options.broker_url):
                self._say("the broker of BROKER_URL does not answer; jobs are taken, and start when it is back")
            return self._options.broker_url
        server = valkey.ValkeyServer(self._home.valkey, known.valkey_port, known.valkey_password)
        server.prepare()
        self._supervisor.start(Role("valkey", tuple(server.command)))
        await self._supervisor.until_ready("valkey", server.is_ready)
        return server.url

    def _publish_environment(self, database_url: str, broker_url: str, known: SavedSettings) -> None:
        shared = {
            "DATABASE_URL": database_url,
            "BROKER_URL": broker_url,
            "TRAINYARD_SECRET_KEY": self._options.secret_key or known.secret_key,
            **self._secrets_keys(),
            CODE_URL: os.environ.get(CODE_URL) or f"http://{ports.LOOPBACK}:{self._options.web_port}",
        }
        for_agents = {environment.FOR_AGENTS: self._agent_url} if self._agent_url else {}
        environment.write(self._home.environment, shared | for_agents)
        ours = {"TRAINYARD_HOME": str(self._home.folder), "TRAINYARD_PORT": str(self._options.web_port)}
        environment.use({**shared, **ours, "FLOWER_PORT": str(self._options.flower_port)})

    def _secrets_keys(self) -> dict[str, str]:
        """Where the keys of the jobs' secrets lie, made up at the first start, unless somebody names some."""
        if environment.given(SECRETS_KEYS):
            return {}
        path = self._home.secrets_keys
        if not path.exists():
            private_files.write(path, Fernet.generate_key().decode() + "\n")
        return {f"{SECRETS_KEYS}_FILE": str(path)}

    def _prepare_accounts(self, database_url: str, known: SavedSettings) -> None:
        addresses = self._addresses().for_the_command_line(known.flower_password)
        agent_password = known.agent_password if self._agent_url else ""
        accounts.prepare(
            database_url,
            self._home.credentials,
            password=known.admin_password,
            addresses=addresses,
            agent_password=agent_password,
            most_scaled=self._options.most_scaled,
        )

    def _start_platform(self, known: SavedSettings) -> None:
        flower = roles.flower(self._options.flower_port, f"{accounts.ADMIN}:{known.flower_password}")
        pace = scaled_pool.pace() if self._options.most_scaled else {}
        self._supervisor.start(roles.web(self._options.web_port), roles.control(), roles.beat(pace), flower)
        database = {"DATABASE_URL": self._agent_url} if self._agent_url else {}
        # Empty: what the site may open is none of theirs, whoever named it.
        no_keys = {SECRETS_KEYS: "", f"{SECRETS_KEYS}_FILE": ""}
        in_agent = {"TRAINYARD_ROLE": "node", **no_keys, **database}
        agents = (roles.agent(node, in_agent) for node in self._options.nodes)
        self._supervisor.start(*(replace(agent, patience=shutdown.longest_drain()) for agent in agents))
        if self._options.most_scaled:
            pool = roles.pool(scaled_pool.NAME, in_agent, cpus=scaled_pool.CPUS, memory_gb=scaled_pool.MEMORY_GB)
            self._supervisor.start(replace(pool, patience=shutdown.longest_drain()), roles.autoscaler())

    def _addresses(self) -> Addresses:
        return Addresses(web_port=self._options.web_port, flower_port=self._options.flower_port)

    def _say(self, sentence: str) -> None:
        self._output.show("stack", sentence)
