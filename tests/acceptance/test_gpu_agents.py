"""Real agents on a machine whose NVIDIA driver and energy counters answer as the test wishes: inventory, use, errors, the idle ladder.

The agent loads nvidia-ml-py, and that a library built for the test: see `tests/workers/nvml_library` for what that proves and what not.
"""

import sys
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from jobs.control import idle_gpu_rules
from jobs.control.idle_gpu_rules import Ladders
from jobs.models import Attempt, IdleGpuStep, Job, Placement
from jobs.recovery import idle_gpus
from scheduling.idle_gpus import Ladder
from tests import builders
from tests.acceptance.platform import Platform, output, submitted, wait_for_state
from tests.acceptance.test_control import SAVES
from tests.rest import V1, client_of
from tests.waiting import wait_for
from tests.workers.nvml_library import MIB, NvmlLibrary, write
from workers.models import Node

pytestmark = pytest.mark.timeout(300)  # an agent tells every ten seconds what GPUs do
UUIDS = ("GPU-5d2b1c7e-0000-4c1f-9a52-7a3a1b0c0001", "GPU-5d2b1c7e-0000-4c1f-9a52-7a3a1b0c0002")
KJ = 1_000_000  # in mJ
SHOW = 'echo "$CUDA_VISIBLE_DEVICES/$NVIDIA_VISIBLE_DEVICES/$CUDA_DEVICE_ORDER"'
TRAIN = """
import json, os, sys, time
from pathlib import Path

driver, go = Path(sys.argv[1]), Path(sys.argv[2])
mine = os.environ["CUDA_VISIBLE_DEVICES"]
[gpu] = [each.parent for each in driver.glob("*/uuid") if each.read_text().strip() == mine]
while not Path(os.environ["TRAINYARD_REPORT"]).with_name("use.json").exists():
    time.sleep(0.01)  # what it does before its agent looks is not counted
print("trains on", mine, flush=True)
while not go.exists():
    sum(range(20_000))
    time.sleep(0.005)
used = int((gpu / "energy_mj").read_text()) + int(sys.argv[3])
draft = gpu / ".used"
draft.write_text(str(used))
draft.replace(gpu / "energy_mj")
sum(range(5_000_000))
"""


@pytest.fixture
def library(tmp_path) -> NvmlLibrary:
    """Two GPUs; the first is busy four fifths of its time, the second is not."""
    found = NvmlLibrary(tmp_path)
    found.add_gpu(UUIDS[0], utilisation=80, memory_used=5000 * MIB)
    found.add_gpu(UUIDS[1], utilisation=0, memory_used=300 * MIB)
    return found


def start(platform: Platform, library: NvmlLibrary, **more: Any) -> None:
    platform.start_control()
    platform.start_node("n1", cpus=4, gpus=2, **library.environment, **more)


def test_a_node_has_the_gpus_of_its_driver_and_each_job_sees_its_own(platform, library, tmp_path):
    start(platform, library)
    platform.start_node("n2", cpus=4, gpus=1, **library.environment, CUDA_VISIBLE_DEVICES="1")
    platform.start_node("n3", cpus=4, gpus=1, **library.environment, CUDA_VISIBLE_DEVICES=UUIDS[0][:12])

    offered = {node.name: [(gpu["index"], gpu["uuid"]) for gpu in node.gpus] for node in Node.objects.all()}
    assert offered == {
        "n1": [(0, UUIDS[0]), (1, UUIDS[1])],
        "n2": [(1, UUIDS[1])],
        "n3": [(0, UUIDS[0])],  # one that is cut short names the first that begins so
    }
    [gpu, _] = Node.objects.get(name="n1").gpus
    assert (gpu["model"], gpu["memory_mb"], gpu["simulated"]) == ("NVIDIA H100", 81559, False)

    for name in ("n2", "n3"):
        platform.stop(name)
    go = tmp_path / "go"
    hold = f"{SHOW}; while ! test -e {go}; do sleep 0.1; done"
    ones = submitted(*[hold] * 2, gpus=1, env={"CUDA_VISIBLE_DEVICES": ",".join(UUIDS)})
    for job in ones:
        wait_for_state(job, "running", platform=platform)
    go.touch()
    both, none = *submitted(SHOW, gpus=2), *submitted(SHOW)
    for job in (*ones, both, none):
        wait_for_state(job, "completed", platform=platform)
    assert sorted(output(job).strip() for job in ones) == [f"{uuid}/{uuid}/PCI_BUS_ID" for uuid in UUIDS]
    assert output(both).strip() == f"{','.join(UUIDS)}/{','.join(UUIDS)}/PCI_BUS_ID"
    assert output(none).strip() == "/void/PCI_BUS_ID"


def test_what_a_job_used_of_its_gpu_and_of_the_processors_is_in_its_result(platform, library, tmp_path):
    package = tmp_path / "powercap" / "intel-rapl:0"
    package.mkdir(parents=True)
    for name, value in {"name": "package-0", "energy_uj": 999_000_000, "max_energy_range_uj": 1_000_000_000}.items():
        write(package / name, value)
    start(platform, library, TRAINYARD_POWERCAP=str(package.parent))
    go, driver = tmp_path / "go", str(library.folder)
    jobs = submitted(
        *([sys.executable, "-c", TRAIN, driver, str(go), str(used)] for used in (123 * KJ, 77 * KJ)), gpus=1
    )
    wait_for(lambda: all("trains on" in output(job) for job in jobs), 60, "both to train")
    write(package / "energy_uj", 49_000_000)  # it begins anew at a thousand joules
    go.touch()
    for job in jobs:
        wait_for_state(job, "completed", platform=platform)
    assert [job.attempts.get().gpu_joules for job in jobs] == [123_000, 77_000]
    done = Placement.objects.select_related("attempt").order_by("gpu_indices")
    busy, idle = (one.attempt for one in done)
    assert (busy.cpu_joules or 0) + (idle.cpu_joules or 0) == pytest.approx(50)
    assert busy.energy_partial is idle.energy_partial is False
    assert (busy.gpu_peak_memory_mb, idle.gpu_peak_memory_mb) == (5000, 300)
    assert busy.gpu_busy_seconds == pytest.approx(0.8 * (busy.gpu_measured_seconds or 0))
    assert (idle.gpu_busy_seconds, idle.gpu_idle_seconds) == (0, idle.gpu_measured_seconds)
    assert idle.gpu_measured_seconds
    told = client_of(builders.user(staff=True)).get(f"{V1}/jobs/{busy.job_id}/efficiency").json()
    assert (told["gpu_percent"], told["gpu_joules"]) == (80, busy.gpu_joules)
    assert told["sentence"].endswith("Its GPUs worked 80 % of the time.")


def test_a_gpu_that_falls_off_the_bus_ends_its_job_which_runs_again_on_another(platform, library):
    start(platform, library)
    (job,) = submitted("test $TRAINYARD_ATTEMPT -gt 1 || sleep 60", gpus=1, name="train")
    wait_for_state(job, "running", platform=platform)
    wait_for(lambda: Attempt.objects.get(job=job).started_at, 30, "its start to be told")
    [broken] = Placement.objects.get(attempt__job=job).gpu_indices
    library.set(broken, xid=79)

    wait_for_state(job, "completed", timeout=60, platform=platform)
    *before, last = Placement.objects.filter(attempt__job=job).select_related("attempt").order_by("pk")
    assert {one.attempt.end_reason for one in before} == {"gpu_error"}
    assert (last.attempt.end_reason, last.gpu_indices) == ("completed", [1 - broken])
    assert Node.objects.get().load["gpus_out"] == [
        {"index": broken, "reason": f"GPU {broken} reported Xid 79: it has fallen off the bus."}
    ]


def test_a_job_that_computes_on_a_gpu_of_another_is_told_of(platform, library):
    start(platform, library)
    (job,) = submitted(f"echo $$ > {library.folder}/1/processes; sleep 60", gpus=1)
    wait_for(lambda: "gpu_trespass" in kinds(job), 40, f"the driver to be asked who computes where: {kinds(job)}")

    told = job.events.get(kind="gpu_trespass").message
    assert "computes on GPU 1: not its own" in told
    [seen] = wait_for(lambda: Node.objects.get().load["trespasses"], 30, "the next heartbeat")
    assert (seen["gpu"], seen["of_a_job"]) == (1, True)


def test_a_driver_that_hangs_holds_up_neither_the_node_nor_its_jobs(platform, library):
    start(platform, library)
    wait_for(lambda: Node.objects.get().load.get("gpus"), 30, "the load of its GPUs")
    (library.folder / "hang").touch()
    try:
        (job,) = submitted(SHOW, gpus=1)
        wait_for_state(job, "completed", timeout=60, platform=platform)
        wait_for(lambda: Node.objects.get().load["gpus"] == [], 30, "a heartbeat without them")
        assert Node.objects.get().state == "up"
        assert (job.attempts.get().gpu_joules, job.attempts.get().gpu_measured_seconds) == (None, None)
    finally:
        (library.folder / "hang").unlink()
    wait_for(lambda: Node.objects.get().load.get("gpus"), 30, "the load of its GPUs again")


def test_a_job_whose_gpu_idles_is_warned_advised_requeued_and_stopped_by_what_its_agent_says(
    platform, library, monkeypatch
):
    """The ladder's minutes are parts of one here, as no rule may say; all else is as it is."""
    library.set(1, utilisation=80)
    start(platform, library)
    idle, busy = submitted(SAVES.replace("exit 0;", "echo idles again;"), "sleep 300", gpus=1, checkpointable=True)
    for job in (idle, busy):
        wait_for_state(job, "running", platform=platform)
    [index] = Placement.objects.get(attempt__job=idle).gpu_indices
    library.set(index, utilisation=0)
    minutes: Any = {"warn_minutes": 0.02, "suggest_minutes": 0.03, "requeue_minutes": 0.04, "stop_minutes": 0.05}
    ladder = Ladder(**minutes, requeue_priority=5, start_minutes=0)
    monkeypatch.setattr(idle_gpu_rules, "ladders", lambda: Ladders({idle.project_id: ladder}, {}))

    def ended(attempt: int) -> bool:
        with transaction.atomic():
            idle_gpus.climb()
        return Attempt.objects.filter(job=idle, number=attempt, ended_at__isnull=False).exists()

    wait_for(lambda: ended(1), 100, f"it to be requeued: {kinds(idle)}")
    again = wait_for_state(idle, "running", platform=platform)
    assert again.priority == 5
    saved = Path(platform.home, "jobs", str(idle.pk), "checkpoints", "step")
    assert saved.read_text() == "7\n"
    assert climbed(idle) == ["warn", "suggest", "requeue"]
    held = Placement.objects.get(attempt__job=idle, attempt__number=1)
    assert held.attempt.end_reason == "preempted"
    assert held.charged_until is not None
    assert held.closed_at is not None
    assert held.created_at <= held.charged_until < held.closed_at, "what it idled does not count in fair share"

    wait_for(lambda: ended(2), 100, f"it to be stopped: {kinds(idle)}")
    assert "resumed\nidles again" in output(idle)
    last = wait_for_state(idle, "failed", platform=platform)
    assert last.end_reason == "idle"
    assert climbed(idle) == ["warn", "suggest", "requeue", "warn", "suggest", "stop"]
    assert [kind for kind in kinds(idle) if "idle" in kind] == [
        "gpus_idle", "gpus_idle_advice", "idle_requeue_requested", "gpus_idle", "gpus_idle_advice", "idle_stop_requested",
    ]  # fmt: skip
    assert (climbed(busy), Job.objects.get(pk=busy.pk).state) == ([], "running"), "a job whose GPU works is left alone"


def kinds(job: Job) -> list[str]:
    return list(job.events.order_by("id").values_list("kind", flat=True))


def climbed(job: Job) -> list[str]:
    return list(IdleGpuStep.objects.filter(attempt__job=job).order_by("pk").values_list("rung", flat=True))
