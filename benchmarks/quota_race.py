"""`python -m benchmarks.quota_race --rounds 1000`: clients race for the last GPUs of a project, and it never holds more than it may.

In each round as many clients as are asked for submit a job each over REST at the same moment, to the site of a private stack
with production's settings; the stack's own planner and several more plan at once, and others claim, start and end what was
placed. An independent watcher adds up the rows all the while; at the end the intervals of all placements are laid over one
another. Prints JSON; 1 if the quota was broken, or if it was never full, in which case nothing would have been tested.
"""

import argparse
import json
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Sequence
from random import Random
from typing import Any

import django

from benchmarks.stack import Stack, private, wait_until
from local_stack.rest import Rest

PROJECT = "race"
HELD, LAST = 4, 4
"""GPUs that the project holds all the time, and those that are left."""
PLANNERS, STARTERS = 2, 2
ROUND_SECONDS = 60.0
SETTINGS = {"TRAINYARD_THROTTLE": "1000000/min"}


class Clients:
    """Threads that all submit at once, a round after the other."""

    def __init__(self, rest: Rest, count: int, seed: int) -> None:
        self.answers: list[int] = []
        self._rest = rest
        self._round = 0
        self._gate, self._done = threading.Barrier(count + 1), threading.Barrier(count + 1)
        for number in range(count):
            threading.Thread(target=self._race, args=(Random(f"{seed} {number}"),), daemon=True).start()  # noqa: S311 - no secret

    def round(self, number: int) -> None:
        """Returns once everybody has been answered."""
        self._round = number
        self._gate.wait()
        self._done.wait(ROUND_SECONDS)

    def _race(self, dice: Random) -> None:
        while True:
            self._gate.wait()
            resources = {"gpus": dice.choice((1, 1, 2, 4)), "cpus": 1}
            body = {"name": f"round {self._round}", "project": PROJECT, "command": ["true"], "resources": resources}
            self.answers.append(self._rest.post("/jobs", body).status)
            self._done.wait(ROUND_SECONDS)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quota_race", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1_000)
    parser.add_argument("--clients", type=int, default=40)
    parser.add_argument("--minutes", type=float, default=120.0, help="no new round after so long (120)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with private(cpus=1, settings=SETTINGS) as stack:
        found = race(stack, options.rounds, options.clients, options.seed, options.minutes)
    print(json.dumps(found))
    return 0 if found["most held"] == HELD + LAST == found["most seen"] and not found["mended"] else 1


def race(stack: Stack, rounds: int, clients: int, seed: int, minutes: float) -> dict[str, Any]:
    os.environ |= {**stack.environment, "DJANGO_SETTINGS_MODULE": "scheduler_site.settings"}
    django.setup()
    # Only now: models can be imported once Django knows its settings.
    from benchmarks import quota_racers  # noqa: PLC0415

    rest = Rest(stack.web[1], stack.credentials["token"])
    node = quota_racers.prepare(PROJECT, HELD + LAST)
    base = rest.post(
        "/jobs", {"name": quota_racers.BASE, "project": PROJECT, "command": ["true"], "resources": {"gpus": HELD}}
    )
    processes, stop, looks = quota_racers.begin(node, HELD + LAST, PLANNERS, STARTERS)
    try:
        wait_until(
            lambda: quota_racers.is_running(int(base.body["id"])), ROUND_SECONDS, "the quota's first half to be held"
        )
        began = time.monotonic()
        racers = Clients(rest, clients, seed)
        for number in range(rounds):
            if time.monotonic() - began > minutes * 60:
                rounds = number
                break
            full = looks[2]
            racers.round(number)
            # Not before the last have been taken: else those who plan slowly would not race at all.
            wait_until(lambda seen=full: looks[2] > seen, ROUND_SECONDS, "the quota to be full", pause=0.01)  # type: ignore[misc]
            rest.post("/jobs/cancel", {"filter": {"project": PROJECT, "state": "pending"}})
            report(number + 1, rounds, began)
    finally:
        stop.set()
        for process in processes:
            process.join(ROUND_SECONDS)
    figures = {
        "rounds": rounds,
        "clients": clients,
        "answers": tally(racers.answers),
        "seconds": round(time.monotonic() - began),
    }
    return {**figures, "looks": looks[0], "most seen": looks[1], "seen full": looks[2], **quota_racers.history()}


def tally(answers: Sequence[int]) -> dict[int, int]:
    return {status: answers.count(status) for status in sorted(set(answers))}


def report(done: int, rounds: int, began: float) -> None:
    if done % 50 == 0:
        print(f"{done} of {rounds} rounds in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    sys.exit(main())
