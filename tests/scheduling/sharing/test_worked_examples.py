"""The examples of docs/quotas.md come true."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from scheduling.planning.plan import make_plan
from scheduling.resources import Request
from scheduling.rules import Rules
from scheduling.snapshot import Limits, LoanLimits, ProjectView
from scheduling.stages import started
from tests.scheduling.builders import gpu_node, snapshot, waiting

NOW = 1_000.0
PAGE = Path(__file__).parents[3] / "docs" / "quotas.md"
EXAMPLES = re.findall(r"```quota\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
PROJECT = re.compile(r"( *)(\w+)(?:: (\d+) GPUs)?(?:, borrows (\d+))?(?:, lends (\d+))?")
STEP = re.compile(r"(\w+) submits (\d+) of (\d+) GPUs(, not preemptible)?: (\d+) start(?:, (\w+) gives back (\d+))?")


class Example:
    def __init__(self, text):
        lines = text.splitlines()
        self.steps = [found.groups() for line in lines if (found := STEP.fullmatch(line))]
        tree = [found.groups() for line in lines if (found := PROJECT.fullmatch(line))]
        assert len(self.steps) + len(tree) == len(lines)
        nodes = tuple(gpu_node(f"gpu-{number}") for number in range(8))
        self.world = replace(snapshot(nodes=nodes, projects=tuple(projects(tree))), rules=Rules(policy="fifo"))
        self.last_id = 0

    def play(self, slug, number, gpus, firm):
        """Submit so many, and carry out plans until nothing happens; who started of them, and what each project gave back."""
        ids = range(self.last_id + 1, self.last_id + 1 + int(number))
        self.last_id = ids[-1]
        new = [
            waiting(one, project=slug, request=Request(gpus=int(gpus)), preemptible=not firm, max_runtime_seconds=60)
            for one in ids
        ]
        self.world = replace(self.world, waiting=(*self.world.waiting, *new))
        plan = make_plan(self.world, NOW)
        gone = {one.job_id for one in plan.preemptions}
        gave: dict[str, int] = {}
        for job in self.world.running:
            if job.id in gone:
                gave[job.project] = gave.get(job.project, 0) + job.request.gpus
        now_started = self.carry_out(plan)
        while gone:
            follow = make_plan(self.world, NOW)
            assert not follow.preemptions
            if not follow.placements:
                break
            self.carry_out(follow)
        return len(now_started & set(ids)), gave

    def carry_out(self, plan):
        """Who is stopped is gone at once; so that an example stays short, it does not come back."""
        jobs = {one.id: one for one in self.world.waiting}
        new = [started(jobs.pop(one.job_id), one.shares, NOW) for one in plan.placements]
        gone = {one.job_id: one.for_job for one in plan.preemptions}
        left = [replace(one, promised=True) if one.id in gone.values() else one for one in jobs.values()]
        stays = [one for one in self.world.running if one.id not in gone]
        self.world = replace(self.world, waiting=tuple(left), running=(*stays, *new))
        return {one.job_id for one in plan.placements}


def projects(tree):
    above: list[str] = []
    for indent, slug, gpus, borrows, lends in tree:
        depth = len(indent) // 2
        del above[depth:]
        quota = Limits(gpus=int(gpus), borrowing=loan(borrows), lending=loan(lends)) if gpus else None
        yield ProjectView(slug, above[-1] if above else None, quota)
        above.append(slug)


def loan(gpus):
    return LoanLimits(gpus=None if gpus is None else int(gpus))


@pytest.mark.parametrize("text", EXAMPLES, ids=range(1, len(EXAMPLES) + 1))
def test_an_example_comes_true(text):
    example = Example(text)

    for slug, number, gpus, firm, starts, giver, back in example.steps:
        gives = {giver: int(back)} if giver else {}
        assert example.play(slug, number, gpus, firm) == (int(starts), gives), f"{slug} submits {number}"


def test_there_are_examples():
    assert len(EXAMPLES) == 6
    assert all(Example(text).steps for text in EXAMPLES)
