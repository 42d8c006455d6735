"""A platform as `manage.py up` runs it, in a folder of its own: what starts and watches the parts is one of them here."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg

from chaos.history import Frozen, Robbed
from chaos.processes import Part
from chaos.stack import Shape, marked, shims_in
from local_stack.servers import ports
from local_stack.servers.processes import Role
from local_stack.servers.roles import CHECKOUT
from scheduler_site.env import of_local_stack

AGENTS = 3
LEASES = 3
"""A lease of the drill's is over before a stack has started again, and its jobs with it; so long a one is not, mostly."""
START_SECONDS = 120.0
STOP_SECONDS = 30.0
BANNER = "Data "
"""So begins the last line that is shown once everything answers."""
NOT_OURS = ("DATABASE_URL", "BROKER_URL", "TRAINYARD_SECRET_KEY")
LOOK_SECONDS = 0.05


class Supervised:
    """A stack that is started as people start it, in a folder of its own."""

    def __init__(self, folder: Path, lease: float) -> None:
        self.diaries = folder / "diaries"
        self.home = folder / "home"
        self.web_port = ports.pick_free()
        self.frozen: list[Frozen] = []
        self.robbed: list[Robbed] = []
        self.twins: list[str] = []
        self.first_start = 0.0
        """How many seconds it took until everything answered."""
        for made in (self.diaries, self.home):
            made.mkdir(parents=True)
        shape = Shape(agents=AGENTS, lease=LEASES * lease, margin=lease / 2)
        nodes = [f"--node=n{number + 1}:cpus={shape.cpus},gpus={shape.gpus},memory-gb=64" for number in range(AGENTS)]
        role = Role("up", (sys.executable, "manage.py", "up", "--unlisted", *nodes), folder=CHECKOUT)
        self.up = Part(role, folder / "up.log", {**_inherited(), **shape.settings, **self._places()})

    @property
    def token(self) -> str:
        return str(json.loads((self.home / "credentials.json").read_text(encoding="utf-8"))["token"])

    def database(self) -> "psycopg.Connection[tuple[object, ...]]":
        url = of_local_stack(self.home)["DATABASE_URL"]
        return psycopg.connect(url, autocommit=True, connect_timeout=2)

    def strays(self) -> list[psutil.Process]:
        return [*shims_in(self.home), *marked(f"{self.home}/")]

    def processes(self) -> list[psutil.Process]:
        """The stack's own: jobs and shims know nothing of its folder."""
        return [one for one in psutil.process_iter() if _has_home(one, str(self.home))]

    def wait_until_up(self) -> None:
        """Returns when a stack that has been started since shows that it answers."""
        shown = self._shown()
        self.wait_for(lambda: self._shown() > shown and self.up.running, "the stack", START_SECONDS)

    def wait_for(self, condition: Callable[[], bool], what: str, seconds: float) -> None:
        """Raises TimeoutError naming `what`; meanwhile a stack that has ended is started again."""
        give_up_at = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > give_up_at:
                raise TimeoutError(f"waited {seconds:g} s in vain for {what}: {' / '.join(self.up.said()[-8:])}")
            self.up.supervise()
            time.sleep(LOOK_SECONDS)

    def stop(self) -> int | None:
        """As Ctrl-C does; its exit code."""
        return self.up.close(STOP_SECONDS)

    def close(self) -> None:
        self.up.close(0)
        for process in [*self.strays(), *self.processes()]:
            with suppress(psutil.Error):
                process.kill()

    def _shown(self) -> int:
        return sum(line.startswith(BANNER) for line in self.up.said())

    def _places(self) -> dict[str, str]:
        return {
            "TRAINYARD_HOME": str(self.home),
            "TRAINYARD_PORT": str(self.web_port),
            "FLOWER_PORT": str(ports.pick_free()),
        }


@contextmanager
def running(folder: Path, lease: float) -> Iterator[Supervised]:
    """A stack that is up; gone at the end, whatever happens."""
    stack = Supervised(folder, lease)
    try:
        began = time.monotonic()
        stack.up.begin(0)
        stack.wait_until_up()
        stack.first_start = time.monotonic() - began
        yield stack
    finally:
        stack.close()


def _inherited() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in NOT_OURS}


def _has_home(process: psutil.Process, home: str) -> bool:
    with suppress(psutil.Error):
        return process.environ().get("TRAINYARD_HOME") == home and process.status() != psutil.STATUS_ZOMBIE
    return False
