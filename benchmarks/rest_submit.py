"""How long a client waits for the answer to a submission. The jobs stay in a paused queue: running them disturbs nothing."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from benchmarks.bench_queue import NAME, BenchQueue, bench_queue
from benchmarks.client import Client
from benchmarks.figures import Figure, of_repetitions, percentile
from benchmarks.reference import Reference
from benchmarks.stack import Stack

REQUESTS = 300
WARM_UP = 20
CLIENTS = 4
BATCH = 1000
REPETITIONS = 3
COMMAND = ["true"]


def measure(stack: Stack, reference: Reference) -> list[Figure]:
    with bench_queue(stack) as line:
        line.pause()
        one_client(stack, WARM_UP)
        alone = one_client(stack, REQUESTS)
        line.empty()
        beside = many_clients(stack, CLIENTS, REQUESTS // CLIENTS)
        line.empty()
        batches = [batch(stack, line) for _ in range(REPETITIONS)]
    plain = [timed_ms(lambda: reference.park(COMMAND)) for _ in range(REQUESTS)]
    plain_batch = sum(timed_ms(lambda: reference.park(COMMAND)) for _ in range(BATCH)) / 1000
    return [
        *percentiles("submit by REST, 1 client", alone, plain),
        *percentiles(f"submit by REST, {CLIENTS} clients", beside),
        of_repetitions(f"batch of {BATCH} by REST", batches, "s", at_most=1.5, reference=plain_batch),
    ]


def one_client(stack: Stack, requests: int) -> list[float]:
    with Client(stack) as client:
        return [timed_ms(lambda: client.submit(COMMAND, queue=NAME)) for _ in range(requests)]


def many_clients(stack: Stack, clients: int, requests: int) -> list[float]:
    with ThreadPoolExecutor(clients) as pool:
        each = pool.map(lambda _: one_client(stack, requests), range(clients))
        return [took for one in each for took in one]


def batch(stack: Stack, line: BenchQueue) -> float:
    """Seconds until a batch is answered."""
    with Client(stack) as client:
        took = timed_ms(lambda: client.submit_batch(COMMAND, BATCH, queue=NAME)) / 1000
    line.empty()
    return took


def timed_ms(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return (time.perf_counter() - began) * 1000


def percentiles(measure: str, took: list[float], plain: list[float] | None = None) -> list[Figure]:
    return [
        Figure(
            f"{measure}, p{int(share * 100)}",
            percentile(took, share),
            "ms",
            (min(took), max(took)),
            at_most=50 if share == 0.95 else None,
            reference=percentile(plain, share) if plain else None,
            note=f"{len(took)} requests",
        )
        for share in (0.5, 0.95)
    ]
