"""What a thousand agents cost the control plane while their jobs run: heartbeats, leases, and the question what is desired.

Run: python -m benchmarks.heartbeats [--nodes N] [--seconds S]
It starts a PostgreSQL of its own with the settings of production, fills it, and speaks for each node as its agent does: a
heartbeat with its leases every ten seconds, and each second the question what is desired of its job, each node at a moment
of its own. A planner runs its cycles beside that. Prints as JSON the processor time of the server and of the planner as
parts of one core, the least time that was left of any lease, and beside it what an empty statement a question would have
cost. The exit code is 1 above half a core, or when a lease ran out.
"""

import argparse
import json
import multiprocessing
import sys
import time
from typing import Any

import psutil

from benchmarks.snapshot_speed import SHAPES, TEAMS, USERS, database, set_up

AT_MOST_CORE = 0.5
CLIENTS = 2
LEASES = (
    "SELECT min(date_part('epoch', lease_expires_at - clock_timestamp())) FROM jobs_placement WHERE closed_at IS NULL"
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.heartbeats", description=__doc__)
    parser.add_argument("--nodes", type=int, default=1_000)
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    with database() as url:
        set_up(url)
        from benchmarks import seeded_rows  # noqa: PLC0415 - models can be imported once Django knows its settings

        seeded_rows.fill(0, options.nodes, options.nodes, shapes=SHAPES, users=USERS, teams=TEAMS)
        claim_all()
        found = measure(options.seconds, speak_for)
        plain = measure(options.seconds // 3, ask_for_nothing)["server, cores"]
        print(json.dumps({"nodes": options.nodes, **found, "with empty statements instead, cores": plain}))
    core = found["server, cores"] + found["planner, cores"]
    return 1 if core > AT_MOST_CORE or found["least left of a lease, s"] <= 0 else 0


def claim_all() -> None:
    from django.db import connection  # noqa: PLC0415 - as above

    with connection.cursor() as cursor:
        cursor.execute("UPDATE workers_node SET agent_id = gen_random_uuid(), state = 'up', consuming = true")
        cursor.execute("UPDATE jobs_placement SET lease_expires_at = now() + interval '30 s'")
    connection.close()


def measure(seconds: int, speak: Any) -> dict[str, float]:
    """Of so many seconds, after all nodes have spoken once."""
    from django.db import connection  # noqa: PLC0415 - as above

    clients = [
        multiprocessing.Process(target=run_client, args=(number, speak), daemon=True) for number in range(CLIENTS)
    ]
    planner = multiprocessing.Process(target=run_planner, daemon=True)
    connection.close()  # or they would share it
    for one in (*clients, planner):
        one.start()
    time.sleep(12)
    server, own = server_process(), psutil.Process(planner.pid)
    before, least, began = (used(server), used(own)), float("inf"), time.monotonic()
    while time.monotonic() - began < seconds:
        time.sleep(0.5)
        with connection.cursor() as cursor:
            cursor.execute(LEASES)
            least = min(least, float(cursor.fetchone()[0]))
    took = time.monotonic() - began
    cores = [(after - then) / took for after, then in zip((used(server), used(own)), before, strict=True)]
    for one in (*clients, planner):
        one.kill()
        one.join()
    return {
        "server, cores": round(cores[0], 3), "planner, cores": round(cores[1], 3), "least left of a lease, s": round(least, 1),
    }  # fmt: skip


def run_client(number: int, speak: Any) -> None:
    """For its part of the nodes, each of which has its own moment of each second and of each heartbeat."""
    from django.conf import settings  # noqa: PLC0415 - as above
    from django.db import connection  # noqa: PLC0415

    from jobs.models import Placement  # noqa: PLC0415
    from jobs.state.outcome import PlacementRef  # noqa: PLC0415

    connection.close()
    rows = Placement.objects.select_related("attempt", "node").order_by("node_id")
    mine = [(row.node, PlacementRef(row.pk, str(row.attempt.token))) for row in list(rows)[number::CLIENTS]]
    turn, period = 0, settings.HEARTBEAT_SECONDS
    while True:
        began = time.monotonic()
        for place, (node, ref) in enumerate(mine):
            speak(node, ref, beats=place % round(period) == turn % round(period))
            ahead = began + (place + 1) / len(mine) - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)
        turn += 1


def speak_for(node: Any, ref: Any, *, beats: bool) -> None:
    from jobs.attempts import claims  # noqa: PLC0415 - as above
    from workers import heartbeats  # noqa: PLC0415

    if beats:
        load = {
            "cpu_percent": 40.5,
            "memory_used_mb": 90_000,
            "disk_free_mb": 100_000,
            "placements": [ref.placement_id],
        }
        heard = heartbeats.QueueProbeResult()
        assert heartbeats.beat(node_id=node.pk, agent_id=node.agent_id, load=load, leaving=False, heard=heard)
        assert claims.renew([ref], node_id=node.pk).kept
    claims.desired([ref.placement_id])


def ask_for_nothing(node: Any, ref: Any, *, beats: bool) -> None:  # noqa: ARG001 - as `speak_for`
    from django.db import connection  # noqa: PLC0415 - as above

    with connection.cursor() as cursor:
        for _ in range(3 if beats else 1):
            cursor.execute("SELECT 1")


def run_planner() -> None:
    from django.conf import settings  # noqa: PLC0415 - as above
    from django.db import connection  # noqa: PLC0415

    from jobs.planning.cycle import run_cycle  # noqa: PLC0415

    connection.close()
    while True:
        run_cycle()
        time.sleep(settings.CYCLE_SECONDS)


def server_process() -> psutil.Process:
    """The first of PostgreSQL's processes, the others are its children."""
    from django.db import connection  # noqa: PLC0415

    from benchmarks.snapshot_speed import backend  # noqa: PLC0415 - as above

    parent = psutil.Process(backend(connection)).parent()
    assert parent is not None
    return parent


def used(process: psutil.Process) -> float:
    """Seconds of processors, with all that it has started, those that have ended too."""
    family = [process, *process.children(recursive=True)]
    return float(sum(one.cpu_times().user + one.cpu_times().system for one in family))


if __name__ == "__main__":
    sys.exit(main())
