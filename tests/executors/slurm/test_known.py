"""How long an end waits for what only Slurm's accounts know."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from clusters.slurm.errors import UnreachableError
from clusters.slurm.records import AccountedJob, SlurmJob
from executors.engine import Observed, Phase
from executors.slurm import known
from executors.slurm.shared_folder import SharedFolder
from scheduling.lifecycle import EndReason

NAME = "ty-1-1-abc"
CANCELLED = SlurmJob(7, NAME, "CANCELLED", nodes=("n1",), start=100.0, end=130.0)
UNFINISHED = AccountedJob(SlurmJob(7, NAME, "RUNNING", nodes=("n1",), start=100.0))


class Slurm:
    """One job that somebody cancelled, and accounts that lag behind; moments are its own."""

    def __init__(self, folder, monkeypatch) -> None:
        self.now = 1000.0
        self.accounts: list[AccountedJob] | None = []
        self.job = CANCELLED
        self.cancelled: list[int] = []
        clock = SimpleNamespace(monotonic=lambda: self.now, time=lambda: self.now)
        monkeypatch.setattr(known, "time", clock)
        client: Any = self
        self.known = known.Known(SharedFolder(folder), client)
        (folder / "workloads" / NAME).mkdir(parents=True)
        (folder / "workloads" / NAME / "owner").write_text("7")

    def accounted(self, _names) -> list[AccountedJob]:
        if self.accounts is None:
            raise UnreachableError("slurmdbd is away")
        return self.accounts

    def look(self, after: float = 0.0) -> Observed:
        self.now += after
        return self.known.observe([NAME], [self.job])[NAME]

    def cancel(self, job_id: int) -> None:
        self.cancelled.append(job_id)


@pytest.fixture
def slurm(tmp_path, monkeypatch) -> Slurm:
    return Slurm(tmp_path, monkeypatch)


def test_who_cancelled_a_job_is_waited_for_while_the_accounts_lag_behind(slurm):
    assert slurm.look().phase == Phase.RUNNING
    slurm.accounts = [UNFINISHED]
    assert slurm.look(after=known.FIGURES_SECONDS + 1).phase == Phase.RUNNING
    slurm.accounts = [AccountedJob(CANCELLED, killed_by="root")]
    end = slurm.look(after=1)
    assert end.reason == EndReason.CANCELLED
    assert end.message.endswith("It was root.")


def test_what_the_accounts_never_finish_counts_as_cancelled_all_the_same(slurm):
    slurm.accounts = [UNFINISHED]
    slurm.look()
    assert slurm.look(after=known.NAME_SECONDS + 1).reason == EndReason.CANCELLED


def test_accounts_that_do_not_answer_are_not_waited_for(slurm):
    slurm.accounts = None
    assert slurm.look().phase == Phase.RUNNING
    assert slurm.look(after=known.FIGURES_SECONDS + 1).reason == EndReason.CANCELLED


def test_what_waits_for_a_node_that_takes_nothing_goes_back_in_line(slurm, tmp_path):
    (tmp_path / "workloads" / NAME / "owner").unlink()
    drained, reserved = "ReqNodeNotAvail, UnavailableNodes:n1", "ReqNodeNotAvail, May be reserved for other job"
    slurm.job = SlurmJob(7, NAME, "PENDING", reason="ReqNodeNotAvail", description=drained)
    assert slurm.look().phase == Phase.WAITING
    slurm.job = replace(slurm.job, description=reserved)  # it may come again to the same node: that takes its own time
    for _ in range(2):
        assert slurm.look(after=known.AWAY_SECONDS + 1).phase == Phase.WAITING
    slurm.job = replace(slurm.job, description=drained)
    for after in (1, known.AWAY_SECONDS - 1, 2):
        assert slurm.cancelled == []
        assert slurm.look(after=after).phase == Phase.WAITING
    assert slurm.cancelled == [7]
    slurm.job = SlurmJob(7, NAME, "CANCELLED", end=200.0)
    end = slurm.look(after=1)
    assert (end.reason, end.charged) == (EndReason.PREEMPTED, False)
    assert drained in end.message


def test_what_is_being_stopped_is_not_given_up(slurm, tmp_path):
    slurm.job = SlurmJob(7, NAME, "PENDING", reason="NodeDown")
    slurm.known.stop(NAME, 1000.0)
    slurm.look()
    slurm.look(after=known.AWAY_SECONDS + 1)
    assert not (tmp_path / "workloads" / NAME / "given_up").exists()
