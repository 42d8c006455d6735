"""How long a folder of code takes to come along: the first time beside a plain upload of its bytes, the second beside none.

    python -m benchmarks.code_sync

A folder of 2,000 files with 50 MB in all. The plain upload sends the same files to a plain server, as few large bodies and as
one body a file. The second time is that of the whole command, with `--sync` and without it, by turns.
"""

import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from benchmarks.bench_queue import NAME, bench_queue
from benchmarks.client import PROJECT
from benchmarks.figures import Figure, of_repetitions
from benchmarks.stack import CHECKOUT, Stack, private, wait_until
from cli.client.connection import Connection
from cli.client.requests import Server
from local_stack.servers import ports
from trainyard.code.sync import sync

FILES, BYTES = 2_000, 50 * 10**6
BODY = 8 * 2**20
RUNS = 3
SETTLED_SECONDS = 1.0
"""Younger files are read again: they could change without their times telling."""


def main() -> None:
    work = Path(tempfile.mkdtemp(prefix="trainyard-bench-code-"))
    try:
        with private(cpus=2) as stack, plain_server(work / "uploads") as plain, bench_queue(stack) as line:
            line.pause()
            for figure in measure(stack, plain, work):
                show(figure)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def measure(stack: Stack, plain: str, work: Path) -> Iterator[Figure]:
    connection = Connection(stack.credentials["url"], stack.credentials["token"], "a benchmark")
    folders = [make_folder(work / f"folder-{run}", seed=run) for run in range(RUNS)]
    first, bodies, each = [], [], []
    for run, folder in enumerate(folders):
        # By turns: what comes first in a round reads the files from the disk.
        if run % 2:
            first.append(timed(sync_once, connection, folder, {"HOME": str(work / f"home-{run}")}))
        bodies.append(timed(upload_as_bodies, plain, folder))
        each.append(timed(upload_each, plain, folder))
        if not run % 2:
            first.append(timed(sync_once, connection, folder, {"HOME": str(work / f"home-{run}")}))
    yield of_repetitions("first, beside few large bodies", first, "s", reference=statistics.median(bodies))
    yield of_repetitions("first, beside a body a file", first, "s", reference=statistics.median(each))
    environment = {**os.environ, "TRAINYARD_URL": stack.credentials["url"], "TRAINYARD_TOKEN": stack.credentials["token"],
                   "XDG_CACHE_HOME": str(work / "cache")}  # fmt: skip
    time.sleep(SETTLED_SECONDS)
    command(environment, folder, "--sync")
    with_code, without = [], []
    for _ in range(RUNS):
        with_code.append(timed(command, environment, folder, "--sync") * 1000)
        without.append(timed(command, environment, folder) * 1000)
    more = [one - statistics.median(without) for one in with_code]
    yield of_repetitions(
        "second, more than without code", more, "ms", at_most=300, reference=statistics.median(without)
    )


def sync_once(connection: Connection, folder: Path, environ: dict[str, str]) -> None:
    with Server(connection) as server:
        assert sync(server, folder, project=PROJECT, environ=environ)["uploaded"] > BYTES * 0.9


def command(environment: dict[str, str], folder: Path, *options: str) -> None:
    words = [sys.executable, "-c", "from cli.main import main; main()", "submit", "--project", PROJECT, "--queue", NAME]
    done = subprocess.run([*words, *options, "--", "true"], cwd=folder, env={**environment, "PYTHONPATH": str(CHECKOUT)},
                          capture_output=True, text=True, check=False)  # fmt: skip
    if done.returncode != 0:
        raise SystemExit(done.stderr)


def make_folder(folder: Path, *, seed: int) -> Path:
    """Many small files and some large ones, as code with a few assets has them."""
    chosen = random.Random(seed)  # noqa: S311  contents, no secrets
    sizes = [chosen.lognormvariate(0, 1.5) for _ in range(FILES)]
    scale = BYTES / sum(sizes)
    for number, size in enumerate(sizes):
        file = folder / f"package_{number % 40}" / f"module_{number}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(chosen.randbytes(max(1, int(size * scale))))
    return folder


def upload_as_bodies(url: str, folder: Path) -> None:
    with httpx.Client(trust_env=False) as client:
        body = bytearray()
        for file in files_of(folder):
            body += file.read_bytes()
            if len(body) >= BODY:
                client.put(url, content=bytes(body)).raise_for_status()
                body.clear()
        if body:
            client.put(url, content=bytes(body)).raise_for_status()


def upload_each(url: str, folder: Path) -> None:
    with httpx.Client(trust_env=False) as client:
        for file in files_of(folder):
            client.put(url, content=file.read_bytes()).raise_for_status()


def files_of(folder: Path) -> list[Path]:
    return [file for file in sorted(folder.rglob("*")) if file.is_file()]


@contextmanager
def plain_server(folder: Path) -> Iterator[str]:
    """As many processes and threads as the site has."""
    folder.mkdir(parents=True)
    port = ports.pick_free()
    server = [
        sys.executable,
        "-m",
        "gunicorn",
        "benchmarks.plain_upload",
        "--bind",
        f"127.0.0.1:{port}",
        "--workers",
        "2",
    ]
    options = ["--worker-class", "gthread", "--threads", "40", "--log-level", "error"]
    process = subprocess.Popen([*server, *options], cwd=CHECKOUT, env={**os.environ, "UPLOADS": str(folder)})
    try:
        wait_until(lambda: ports.answers(port), 30, "the plain server to be up")
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(10)


def timed(step: Callable[..., object], *arguments: Any) -> float:
    began = time.perf_counter()
    step(*arguments)
    return time.perf_counter() - began


def show(figure: Figure) -> None:
    low, high = figure.spread or (0, 0)
    ratio = f", {figure.ratio:.2f} times the reference of {figure.reference:.3f}" if figure.reference else ""
    print(f"{figure.measure}: {figure.value:.3f} {figure.unit} ({low:.3f} to {high:.3f}){ratio}", flush=True)


if __name__ == "__main__":
    main()
