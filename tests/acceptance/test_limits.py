"""What a node enforces, seen from outside: on the whole platform, with real processes."""

import sys

from jobs.models import Job
from tests.acceptance.platform import Platform, submitted, wait_for_state
from tests.waiting import wait_for
from workers.models import Node

GREEDY = [sys.executable, "-I", "-S", "-c", "import time; held = bytearray(b'x') * (300 * 2**20); time.sleep(60)"]


def test_jobs_over_their_limits_end_with_the_reason_and_a_node_with_a_full_disk_gets_none(platform: Platform):
    platform.environment["TRAINYARD_DISK_RESERVE_MB"] = str(10**9)
    platform.start("full", cpus=8)
    platform.environment |= {"TRAINYARD_DISK_RESERVE_MB": "0", "TRAINYARD_OUTPUT_LIMIT_GB": "0.01"}
    platform.start_node("well", cpus=2)
    wait_for(Node.objects.filter(name="full", load__disk_full=True).exists, 30, "the word of the full disk")

    [greedy] = submitted(GREEDY, memory_mb=100)
    [wide] = submitted("head -c 30000000 /dev/zero > big; sleep 60")
    ended = {job.pk: wait_for_state(job, "failed", timeout=60, platform=platform) for job in (greedy, wide)}

    assert ended[greedy.pk].end_reason == "out_of_memory"
    assert "it asked for 0.0977 GB" in ended[greedy.pk].message
    assert ended[wide.pk].end_reason == "output_limit"
    assert "the limit is 0.01 GB" in ended[wide.pk].message
    assert set(Job.objects.values_list("attempts__placements__node__name", flat=True)) == {"well"}
    used = greedy.attempts.get()
    assert used.peak_memory_mb > 100
    assert used.cpu_seconds > 0
