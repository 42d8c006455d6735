"""How long an end waits for what only Slurm's accounts know."""

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
        return self.known.observe([NAME], [CANCELLED])[NAME]


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
