"""A node whose machine is taken away: its job goes on elsewhere from its checkpoint, and it takes work again if it stays."""

import sys
from pathlib import Path
from typing import Any

from jobs.models import Attempt
from tests.acceptance import checkpointing
from tests.acceptance.platform import Platform, history, submitted, wait_for_state
from tests.waiting import wait_for
from tests.workers.hardware.test_spot_notices import metadata_server
from workers.models import Node

TRAINING = [sys.executable, str(Path(checkpointing.__file__)), "400", "0.05"]


def test_a_notice_empties_the_node_and_its_withdrawal_opens_it_again(platform: Platform):
    with metadata_server() as (url, answers):
        platform.start_control()
        spot: dict[str, Any] = {"TRAINYARD_SPOT_NOTICE": f"{url}/notice", "TRAINYARD_SPOT_NOTICE_SECONDS": "0.2"}
        platform.start_node("spot", **spot)
        (job,) = submitted(TRAINING, checkpointable=True)
        wait_for_state(job, "running", timeout=60, platform=platform)
        wait_for((platform.home / "jobs" / str(job.pk)).exists, 30, "the job's folder")

        answers["GET /notice"] = (200, "")
        gone = Node.objects.filter(name="spot", state="draining", drain_reason__startswith="Its machine is taken away")
        wait_for(gone.exists, 30, lambda: f"the node to say so; {platform.log('spot')}")
        ended = Attempt.objects.filter(job=job, number=1, end_reason="preempted")
        wait_for(ended.exists, 30, f"the job to give way; {history(job)}")
        platform.start_node("other")
        wait_for_state(job, "running", timeout=60, platform=platform)
        assert Attempt.objects.filter(job=job, number=2, placements__node__name="other").exists()

        del answers["GET /notice"]
        wait_for(Node.objects.filter(name="spot", state="up", cordoned=False).exists, 30, lambda: platform.log("spot"))
        job = wait_for_state(job, "completed", timeout=90, platform=platform)
        assert job.retries_used == 0


def test_a_new_machine_of_the_name_takes_work_and_a_persons_drain_stays(platform: Platform, tmp_path: Path):
    notice = tmp_path / "notice"
    notice.touch()
    spot: dict[str, Any] = {"TRAINYARD_SPOT_NOTICE": f"file:{notice}", "TRAINYARD_SPOT_NOTICE_SECONDS": "0.2"}
    platform.start_node("spot", wait=False, **spot)
    taken = Node.objects.filter(name="spot", cordoned=True, drain_reason__startswith="Its machine is taken away")
    wait_for(taken.exists, 60, "the notice to be told")
    assert platform.stop("spot") == 0
    notice.unlink()
    platform.start_node("spot", **spot)
    wait_for(Node.objects.filter(name="spot", cordoned=False).exists, 30, lambda: platform.log("spot"))

    Node.objects.filter(name="spot").update(cordoned=True, drain_reason="disk swap")
    notice.touch()
    wait_for(lambda: platform.log("spot").count("is taken away at") == 2, 30, "the second notice")
    notice.unlink()
    wait_for(lambda: "It stays." in platform.log("spot"), 30, "its withdrawal")
    assert platform.stop("spot") == 0
    assert Node.objects.get(name="spot").drain_reason == "disk swap"


def test_a_wrong_setting_ends_the_agent_with_its_name(platform: Platform):
    platform.start_node("spot", wait=False, TRAINYARD_SPOT_NOTICE="amazon")
    assert platform.processes.pop("spot").wait(60) != 0
    assert "TRAINYARD_SPOT_NOTICE: 'amazon' is none of: aws, gcp, azure" in platform.log("spot")
