"""SECURITY.md says what a job may reach behind which walls: here a job tries each of it, under real agents."""

import json
import os
import stat
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.acceptance.adversary import TRIES
from tests.acceptance.platform import ROOT, Platform, output, submitted, wait_for_state
from tests.waiting import wait_for
from tests.workers.nvml_library import NvmlLibrary

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only an agent that runs as root has walls to build"),
    pytest.mark.timeout(180),
]
COLUMNS: dict[str, dict[str, Any]] = {
    "all walls": {"TRAINYARD_RUN_AS": "auto", "TRAINYARD_WALLS": "yes"},
    "no view of its own": {"TRAINYARD_RUN_AS": "auto", "TRAINYARD_WALLS": "no"},
    "none": {"TRAINYARD_RUN_AS": "agent", "TRAINYARD_PRIVATE_TMP": "no"},
}
"""By the heads of the table in SECURITY.md, the agents that it speaks of."""
OUTLIVES = "leave a process behind that outlives it"
DEVICES = """
mount -t tmpfs none "$0" && cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty "$0/" || exit 9
for name in nvidia0 nvidia1 nvidiactl; do mknod -m 666 "$0/$name" c 1 5 || exit 9; done
mkdir "$0/shm" "$0/pts" && mount --bind /dev/shm "$0/shm" && mount --bind /dev/pts "$0/pts" && mount --rbind "$0" /dev && exec "$@"
"""
"""A /dev with two GPUs, for what is started in there alone."""
VICTIM = """
echo mine > $TRAINYARD_OUTPUT_DIR/o; echo mine > $TRAINYARD_CHECKPOINT_DIR/c
echo mine > /tmp/MARK; echo mine > /dev/shm/MARK; chmod 644 /tmp/MARK /dev/shm/MARK
echo ready; WAIT : MARK
"""


def promised() -> dict[str, dict[str, str]]:
    """The table of SECURITY.md: by the try, by the column, `no` or `yes`."""
    text = (ROOT / "SECURITY.md").read_text().partition("## What a job may reach")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    begin = next(at for at, line in enumerate(lines) if line.startswith("| a job that tries to"))
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[begin:] if "---" not in line]
    heads = [head.partition(":")[0] for head in rows[0][1:]]
    return {row[0]: dict(zip(heads, (cell.strip("*") for cell in row[1:]), strict=True)) for row in rows[1:]}


def test_the_table_has_a_row_for_each_try_and_a_column_for_each_agent():
    table = promised()
    assert list(table) == [*TRIES, OUTLIVES]
    assert {tuple(row) for row in table.values()} == {tuple(COLUMNS)}
    assert {cell for row in table.values() for cell in row.values()} == {"no", "yes"}


@pytest.fixture
def library(tmp_path) -> NvmlLibrary:
    found = NvmlLibrary(tmp_path)
    for number in range(2):
        found.add_gpu(f"GPU-5d2b1c7e-0000-4c1f-9a52-7a3a1b0c000{number}")
    return found


@pytest.fixture
def agents(platform: Platform, tmp_path) -> Platform:
    """Whose machine has two GPUs."""
    devices = tmp_path / "dev"
    devices.mkdir()
    trial = devices / "trial"
    try:
        os.mknod(trial, 0o600 | stat.S_IFCHR, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("device files cannot be made here")
    trial.unlink()
    platform.around_agents = ["unshare", "--mount", "sh", "-c", DEVICES, str(devices)]
    return platform


@pytest.fixture
def mark() -> Iterator[str]:
    """A word that is nowhere else on this machine."""
    word = f"adversary-{uuid.uuid4().hex[:12]}"
    yield word
    for folder in ("/tmp", "/dev/shm"):
        Path(folder, word).unlink(missing_ok=True)


@pytest.mark.parametrize("column", COLUMNS)
def test_a_job_reaches_what_the_table_says_and_nothing_else(agents: Platform, library, column, mark):
    agents.start_control()
    agents.start_node("n1", cpus=3, gpus=2, **library.environment, **COLUMNS[column])
    victims = submitted(
        *(["sh", "-c", VICTIM.replace("MARK", mark).replace("WAIT", wait)] for wait in ("sleep 600;", "")),
        gpus=0, env={"SECRET": f"secret-{mark}"},
    )  # fmt: skip
    running, ended = victims
    wait_for_state(ended, "completed", platform=agents)
    wait_for(lambda: "ready" in output(running), 30)
    targets = targets_of(agents, running, ended, mark)

    tries = [sys.executable, str(Path(__file__).with_name("adversary.py")), json.dumps(targets)]
    (job,) = submitted(tries, gpus=1)
    wait_for_state(job, "completed", timeout=60, platform=agents)

    done = json.loads(output(job).strip().splitlines()[-1])
    done[OUTLIVES] = staying(targets["stays"])
    reached = {words: what for words, what in done.items() if what}
    says = {words for words, row in promised().items() if row[column] == "yes"}
    assert set(reached) == says, reached


def targets_of(agents: Platform, running, ended, mark: str) -> dict[str, Any]:
    home, node = agents.home, agents.home / "nodes" / "n1"
    for name in ("credentials.json", "env"):
        (home / name).write_text("secret")
        (home / name).chmod(0o600)
    attempt = node / "attempts" / str(running.attempts.get().placements.get().pk)
    (attempt / "code").mkdir(exist_ok=True)
    (attempt / "code" / "train.py").write_text("mine")
    jobs = {job.pk: home / "jobs" / str(job.pk) for job in (running, ended)}
    kept = {pk: [folder / "outputs/1/o", folder / "checkpoints/c", folder / "outputs/1"] for pk, folder in jobs.items()}
    shims = agents.shims()
    commands = [child.pid for shim in shims for child in shim.children(recursive=True)]
    agent = agents.processes["n1"].pid
    database = urlsplit(agents.environment["DATABASE_URL"])
    paths: dict[str, list[Any]] = {
        "platform": [home / "credentials.json", home / "env", home / "n1.log", *node.glob("*.json"), *node.glob("*id")],
        "state": [attempt / name for name in ("claim.json", "spec.json", "lease")],
        "running": [*kept[running.pk], attempt / "log", attempt / "code/train.py"],
        "ended": kept[ended.pk],
        "temporary": [f"/tmp/{mark}", f"/dev/shm/{mark}"],
        "folders": [
            home,
            node,
            node / "attempts",
            attempt,
            home / "jobs",
            *jobs.values(),
            *(each[2] for each in kept.values()),
        ],
        "reports": [attempt / "report.jsonl"],
        "gpus": ["/dev/nvidia1"],
    }
    return {
        **{name: [str(path) for path in found] for name, found in paths.items()},
        "secrets": [f"secret-{mark}", "DATABASE_URL=", "BROKER_URL="],
        "mark": f": {mark}",
        "stays": f"stays-{mark}",
        "pids": [agent, *(shim.pid for shim in shims), *commands],
        "traced": commands[-1:],
        "addresses": [[database.hostname, database.port]],
    }


def staying(mark: str) -> list[Path]:
    return [
        path
        for path in Path("/proc").glob("[0-9]*")
        if mark.encode() in words_of(path) and b"sleep(120)" in words_of(path)
    ]


def words_of(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""
