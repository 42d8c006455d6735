"""`manage.py pool`: several node agents on this machine, kept running, changed in number and upgraded under their jobs."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from executors.celery_worker.shutdown import longest_drain
from executors.management.commands.node import default_name
from local_stack.pools import nodes, partition
from local_stack.pools.control_socket import ask
from local_stack.pools.errors import PoolError
from local_stack.pools.home import PoolHome
from local_stack.pools.partition import AgentTerms
from local_stack.pools.pool import GIVE_UP_AFTER, MODES, Pool, Terms
from local_stack.servers.output import make_output
from local_stack.servers.roles import CHECKOUT
from workers.hardware import inventory

REPORT_SECONDS = 15
"""What agents may need beyond the grace of their jobs to report and end."""
START_SECONDS = 60
LOOK_SECONDS = 0.2
COLUMNS = ("AGENT", "STATE", "PID", "UP FOR", "DEATHS", "NODE", "JOBS", "GPUS", "NOTE")


class Command(BaseCommand):
    """Exit codes: 0 done, 1 refused or failed, 2 nonsense, 3 no such pool runs."""

    help = "Run several node agents on this machine: start, stop, scale, status, restart, drain, undrain."
    requires_system_checks = []  # each agent makes them

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        start = _verb(verbs, "start", "run agents, in the foreground until SIGTERM")
        start.add_argument("--agents", type=int, default=1, metavar="N", help="how many (default: 1)")
        start.add_argument("--detach", action="store_true", help="return when they are started, and leave them running")
        _describe_agents(start)
        stop = _verb(verbs, "stop", "end the pool; its jobs go back in line, with their checkpoints")
        stop.add_argument("--leave", action="store_true", help="let the jobs run on: start it again within a lease")
        scale = _verb(verbs, "scale", "change the number of agents; the surplus drains first")
        scale.add_argument("agents", type=int, metavar="N")
        _ways_to_drain(scale)
        scale.add_argument("--wait", action="store_true", help="return only when the surplus has ended")
        status = _verb(verbs, "status", "show the agents; exit code 1 when one is given up")
        status.add_argument("--json", action="store_true", help="as JSON")
        _verb(verbs, "restart", "replace the agents one after another; their jobs run on")
        drain = _verb(verbs, "drain", "give its nodes nothing new; the agents stay")
        _ways_to_drain(drain)
        drain.add_argument("--deadline-seconds", type=int, help="what is left after that goes back in line")
        drain.add_argument("--reason", default="", help="why, for others to read")
        _verb(verbs, "undrain", "let its nodes take work again")

    def handle(self, **options: Any) -> None:
        try:
            partition.check_name(options["name"])
            home = PoolHome(settings.TRAINYARD_HOME, options["name"])
            VERBS[options["verb"]](self, home, options)
        except PoolError as error:
            raise CommandError(str(error), returncode=error.exit_code) from None

    def say(self, words: str) -> None:
        self.stdout.write(words)
        self.stdout.flush()


def _verb(verbs: "_SubParsersAction[ArgumentParser]", name: str, what: str) -> ArgumentParser:
    parser = verbs.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
    parser.add_argument(
        "--name", default=default_name()[: partition.LONGEST_NAME], help="of the pool; agents are NAME-1, …"
    )
    return parser


def _describe_agents(parser: ArgumentParser) -> None:
    parser.add_argument("--cpus", type=int, help="CPUs of each (default: an equal share)")
    parser.add_argument("--memory-gb", type=float, help="memory of each (default: an equal share)")
    parser.add_argument("--gpus", type=int, help="GPUs of each (default: an equal share); simulated if there are none")
    parser.add_argument("--gpu-model", help="model name of simulated GPUs")
    parser.add_argument("--gpu-memory-gb", type=float, help="memory of each simulated GPU")
    parser.add_argument("--label", action="append", default=[], metavar="KEY=VALUE", help="may be repeated")
    parser.add_argument("--oversubscribe", action="store_true", help="offer more than there is, to try things out")
    parser.add_argument(
        "--give-up-after", type=int, default=GIVE_UP_AFTER, metavar="N",
        help=f"deaths in a row after which an agent is not started again (default: {GIVE_UP_AFTER})",
    )  # fmt: skip


def _ways_to_drain(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--mode", choices=MODES, default="wait",
        help="what becomes of the jobs there: they end (wait), those that can save their work give way (checkpoint), "
        "all of them go back in line (now)",
    )  # fmt: skip


def start(command: Command, home: PoolHome, options: dict[str, Any]) -> None:
    terms = terms_of(options)
    if options["detach"]:
        detach(command, home)
        return
    with home.locked():
        code = asyncio.run(Pool(home, terms, make_output()).run(options["agents"]))
    if code:
        raise PoolError("Every agent was given up: their last lines above say why.")


def terms_of(options: dict[str, Any]) -> Terms:
    """Raises PoolError when the machine cannot give that."""
    wanted = AgentTerms(
        cpus=options["cpus"],
        memory_gb=options["memory_gb"],
        gpus=options["gpus"],
        gpu_model=options["gpu_model"],
        gpu_memory_gb=options["gpu_memory_gb"],
        labels=tuple(options["label"]),
        oversubscribe=options["oversubscribe"],
    )
    machine = inventory.inventory()
    return Terms(
        machine=machine,
        wanted=wanted,
        share=partition.each(machine, wanted, options["agents"]),
        drain_seconds=longest_drain() + REPORT_SECONDS,
        give_up_after=options["give_up_after"],
    )


def detach(command: Command, home: PoolHome) -> None:
    """The same command again, in a session of its own, with its lines in the pool's folder."""
    if home.runs:
        with home.locked():  # says that it runs already
            return
    home.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    words = [word for word in sys.argv if word != "--detach"]
    with home.log.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, *words], cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    wait_until(lambda: process.poll() is not None or answers(home), START_SECONDS)
    if not answers(home):
        raise PoolError(f"The pool did not start: see {home.log}.")
    command.say(f"pool {home.name} runs (process {process.pid}); its lines go to {home.log}")


def answers(home: PoolHome) -> bool:
    try:
        ask(home, {"verb": "status"}, lambda _: None)
    except PoolError:
        return False
    return True


def stop(command: Command, home: PoolHome, options: dict[str, Any]) -> None:
    """By a signal: that works also when the pool does not answer."""
    home.require_running()
    pid = home.pid
    if not pid:
        raise PoolError(f"The pool {home.name} runs, but which process it is, is not known.")
    os.kill(pid, signal.SIGQUIT if options["leave"] else signal.SIGTERM)
    if not wait_until(lambda: not home.runs, longest_drain() + 2 * REPORT_SECONDS):
        raise PoolError(f"The pool {home.name} (process {pid}) does not end: `kill -9 {pid}` ends it, its jobs run on.")
    command.say(f"pool {home.name} has ended{', its jobs run on' if options['leave'] else ''}")


def scale(command: Command, home: PoolHome, options: dict[str, Any]) -> None:
    partition.check_number(options["agents"])
    ask(home, {"verb": "scale", "agents": options["agents"], "mode": options["mode"]}, command.say)
    while options["wait"] and len(ask(home, {"verb": "status"}, command.say)) > options["agents"]:
        time.sleep(LOOK_SECONDS * 5)
    command.say(f"pool {home.name} is to have {counted(options['agents'])}")


def status(command: Command, home: PoolHome, options: dict[str, Any]) -> None:
    agents = ask(home, {"verb": "status"}, command.say)
    if options["json"]:
        command.say(json.dumps({"name": home.name, "pid": home.pid, "agents": agents}, indent=1))
    else:
        command.say(f"pool {home.name}, process {home.pid}")
        for line in table([COLUMNS, *map(row, agents)]):
            command.say(line)
    if any(agent["state"] == "given up" for agent in agents):
        raise PoolError("An agent is given up: its lines say why, and `manage.py pool restart` tries again.")


def row(agent: dict[str, Any]) -> tuple[str, ...]:
    values = (agent["name"], agent["state"], agent["pid"], agent["seconds"], agent["deaths"])
    known = (agent.get("node", "unknown"), agent.get("jobs"), len(agent["gpus"]), " ".join(agent.get("notes", [])))
    return tuple("-" if value is None else str(value) for value in (*values, *known))


def table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def restart(command: Command, home: PoolHome, _options: dict[str, Any]) -> None:
    count = ask(home, {"verb": "restart"}, command.say)
    command.say(f"{counted(count)} replaced; their jobs ran on")


def drain(command: Command, home: PoolHome, options: dict[str, Any]) -> None:
    for agent in ask(home, {"verb": "status"}, command.say):
        nodes.drain(
            agent["name"],
            mode=options["mode"],
            reason=options["reason"],
            deadline_seconds=options["deadline_seconds"],
        )
        command.say(f"{agent['name']} takes nothing new")


def undrain(command: Command, home: PoolHome, _options: dict[str, Any]) -> None:
    for agent in ask(home, {"verb": "status"}, command.say):
        nodes.undrain(agent["name"])
        command.say(f"{agent['name']} takes work again")


def counted(agents: int) -> str:
    return "1 agent" if agents == 1 else f"{agents} agents"


def wait_until(holds: Callable[[], object], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(LOOK_SECONDS)
    return True


VERBS: dict[str, Callable[[Command, PoolHome, dict[str, Any]], None]] = {
    "start": start,
    "stop": stop,
    "scale": scale,
    "status": status,
    "restart": restart,
    "drain": drain,
    "undrain": undrain,
}
