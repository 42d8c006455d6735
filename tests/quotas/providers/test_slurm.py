"""Accounts and QOS of a real Slurm of each release, by its commands."""

import pytest

from tests import builders
from tests.rest import V1, client_of, faults
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db


@pytest.fixture
def by_commands(slurm, settings, monkeypatch):
    monkeypatch.setenv("SLURM_CONF", slurm.environment["SLURM_CONF"])
    settings.QUOTA_PROVIDER, settings.SLURM_ACCOUNT_PREFIX = "slurm", "ty-"
    settings.SLURM_QUOTA_USERS, settings.SLURM_COMMANDS_PATH = ["root"], slurm.environment["PATH"]
    yield slurm
    slurm.command("scancel", "--user=root", check=False)


@pytest.fixture
def staff():
    return client_of(builders.user(staff=True))


def synced(staff, slug):
    answer = staff.post(f"{V1}/queues/quota/{slug}/sync").json()
    assert not answer["native"]["fault"], answer
    return answer


def submit(slurm, account, gpus):
    words = (
        "--parsable",
        f"--account={account}",
        f"--gres=gpu:{gpus}",
        "--mem=100",
        "--output=/dev/null",
        "--wrap=sleep 300",
    )
    return slurm.command("sbatch", *words)


def state_of(slurm, number):
    return slurm.command("squeue", "-h", "-j", number, "-o", "%T %r")


def reasons_of(staff, job):
    told = staff.get(f"{V1}/jobs/{job.pk}/explain")
    return [(one["code"], one["sentence"]) for one in told.json()["reasons"]]


def test_a_quota_that_is_set_is_in_force_there_and_what_others_use_of_it_counts(by_commands, staff):
    team = builders.project(slug="team")
    builders.node(name="m1", gpus=4)
    staff.patch(f"{V1}/queues/quota/team", {"limits": {"gpus": 2, "cpus": 16, "memory_gb": 8}})
    assert synced(staff, "team")["native"]["gpu_quota"] == 2

    first, second = submit(by_commands, "ty-team", 1), submit(by_commands, "ty-team", 2)
    wait_for(lambda: state_of(by_commands, first).startswith("RUNNING"), 20, "a job within the quota to run")
    wait_for(lambda: "QOSGrpGRES" in state_of(by_commands, second), 10, "a job beyond it to be told so")

    wait_for(lambda: synced(staff, "team")["native"]["used_gpu"] == 1, 20, "its use to be seen")
    job = builders.job(project=team, gpus=2, memory_mb=100)
    [(code, sentence)] = reasons_of(staff, job)
    assert code == "quota"
    assert "QOS ty-team of Slurm, of which others there hold 1 GPU" in sentence
    assert "allows 2 GPUs (1 in use); this job needs 2 GPUs" in sentence

    by_commands.command("scancel", first, second)
    wait_for(lambda: synced(staff, "team")["native"]["used_gpu"] == 0, 10, "its end to be seen")
    assert [code for code, _ in reasons_of(staff, job)] == ["new"]


def test_a_limit_changed_by_hand_is_put_back_and_one_taken_away_is_none(by_commands, staff):
    builders.project(slug="hand", quota={"gpus": 3})
    synced(staff, "hand")
    by_commands.command("sacctmgr", "-i", "modify", "qos", "ty-hand", "set", "GrpTRES=gres/gpu=7")
    assert synced(staff, "hand")["native"]["gpu_quota"] == 3
    staff.patch(f"{V1}/queues/quota/hand", {"limits": {"gpus": None, "cpus": 4}})
    native = synced(staff, "hand")["native"]
    assert (native["gpu_quota"], native["cpu_quota"]) == (None, 4)


def test_what_slurm_would_let_wait_for_ever_is_refused_by_us_naming_the_level(by_commands, staff, settings):
    """The limit is theirs here: our own quota says nothing."""
    settings.SLURM_CREATE_ACCOUNTS = False
    builders.project(slug="theirs")
    builders.node(name="m1", gpus=8)
    by_commands.command("sacctmgr", "-i", "add", "qos", "ty-theirs", "GrpTRES=gres/gpu=2")
    wait_for(lambda: synced(staff, "theirs")["native"]["gpu_quota"] == 2, 20)
    body = {"command": ["true"], "project": "theirs", "resources": {"gpus": 3}}
    assert faults(staff.post(f"{V1}/jobs", body, format="json")) == {
        "resources.gpus": "QOS ty-theirs of Slurm allows at most 2 GPUs at once; this job needs 3 GPUs."
    }


def test_a_controller_that_is_away_is_said_so(by_commands, staff):
    builders.project(slug="away")
    by_commands.kill("slurmctld")
    answer = staff.post(f"{V1}/queues/quota/away/sync").json()
    by_commands.start_daemon("slurmctld")
    assert answer["native"]["fault"].startswith("Slurm: `scontrol` does not reach Slurm")
    wait_for(lambda: not staff.post(f"{V1}/queues/quota/away/sync").json()["native"]["fault"], 20)
