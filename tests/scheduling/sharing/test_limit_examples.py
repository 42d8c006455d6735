"""The examples in docs/quotas.md of limits that are set as PATCH sets them come true, with what is told."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from scheduling import gpu_hours
from scheduling.nodes.profile import FOREVER
from scheduling.planning.plan import make_plan
from scheduling.resources import Request
from scheduling.rules import Rules
from scheduling.sharing.admission import admission_faults
from scheduling.sharing.ahead.reasons import ahead_faults
from scheduling.sharing.associations import Associations
from scheduling.sharing.queue_limits import QueueLimits
from scheduling.snapshot import Limits, ProjectView, QueueView, chain_of
from scheduling.stages import started
from tests.scheduling.builders import gpu_node, gpus, snapshot, waiting

NOW = 1_000.0
A100S = gpus(8, model="NVIDIA A100-SXM4-40GB", memory_mb=40_960)
PAGE = Path(__file__).parents[3] / "docs" / "quotas.md"
EXAMPLES = re.findall(r"```limits\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
PROJECT = re.compile(r"(\w+)(?: below (\w+))?: (\{.*\})")
QUEUE = re.compile(r"queue (\w+): (\{.*\})")
STEP = re.compile(
    r"(\w+) in (\w+) submits (\d+) of (\d+) GPUs(?: of (\w+))?(?: on (\d+) nodes)?(?: for (\d+)h)?(?: to (\w+))?: (?:(\d+) start|(refused))"
)
LATER = re.compile(r"(\d+)m later")
TOLD = re.compile(r'  (?:the next: )?"(.*)"')


class Example:
    def __init__(self, text):
        self.world = replace(
            snapshot(
                nodes=(
                    *(gpu_node(f"h{number}") for number in range(4)),
                    *(gpu_node(f"a{number}", gpus=A100S) for number in range(4)),
                ),
                queues=(QueueView("default"),),
            ),
            rules=Rules(policy="fifo"),
            projects=(),
        )
        self.last_id = 0
        self.now = NOW
        self.told: list[str] = []
        for line in text.splitlines():
            self.read(line)

    def read(self, line):
        if found := QUEUE.fullmatch(line):
            self.world = replace(self.world, queues=(*self.world.queues, queue(found[1], json.loads(found[2]))))
        elif found := PROJECT.fullmatch(line):
            view = ProjectView(found[1], found[2], quota(json.loads(found[3])) if found[3] != "{}" else None)
            self.world = replace(self.world, projects=(*self.world.projects, view))
        elif found := LATER.fullmatch(line):
            self.now += 60 * int(found[1])
            left = tuple(one for one in self.world.running if (one.expected_end or FOREVER) > self.now)
            self.world = replace(self.world, running=left)
        elif found := TOLD.fullmatch(line):
            assert found[1] in self.told
        else:
            found = STEP.fullmatch(line)
            assert found, line
            self.play(*found.groups())

    def play(self, owner, slug, number, *asks):
        """Submit so many, and carry out the plan; those that wait are taken back once they were told why."""
        gpus, model, nodes, hours, queue_name, starts, refused = asks
        ids = range(self.last_id + 1, self.last_id + 1 + int(number))
        self.last_id = ids[-1]
        request = Request(gpus=int(gpus), gpu_model=model or "", nodes=int(nodes or 1))
        limit = int(hours) * 3_600 if hours else None
        new = [
            waiting(
                one,
                project=slug,
                owner=owner,
                queue=queue_name or "default",
                request=request,
                max_runtime_seconds=limit,
            )
            for one in ids
        ]
        faults = self.faults(new[0])
        assert bool(faults) == bool(refused)
        if faults:
            self.told = [one.message for one in faults]
            return
        world = replace(self.world, waiting=tuple(new))
        plan = make_plan(world, self.now)
        jobs = {one.id: one for one in new}
        runs = [started(jobs[one.job_id], one.shares, self.now) for one in plan.placements]
        self.world = replace(self.world, running=(*self.world.running, *runs))
        assert len(plan.placements) == int(starts)
        self.told = [reason.sentence for reason in plan.waits[0].reasons] if plan.waits else []

    def faults(self, job):
        tree = {one.slug: one for one in self.world.projects}
        levels = (*chain_of(job.project, tree), *Associations(tree, ()).of(job))
        line = next(one for one in self.world.queues if one.name == job.queue)
        own = QueueLimits(line.name, each_user=line.each_user).refuses_size(job.request)
        ahead = ahead_faults(job.request, job.max_runtime_seconds, levels)
        return [*admission_faults(job.request, nodes=self.world.nodes, chain=levels), *own, *ahead]


def quota(body):
    """As the REST contract names it."""
    own, each_user = in_seconds(body.pop("limits", {})), in_seconds(body.pop("user_limits", {}))
    models = tuple(body.pop("gpu_models", {}).items())
    return Limits(**own, **body, gpu_models=models, each_user=Limits(**each_user) if each_user else None)


def in_seconds(amounts):
    return {"gpu_seconds_ahead" if name == "gpu_hours_ahead" else name: gpu_hours.seconds(most) if "hours" in name else most
            for name, most in amounts.items()}  # fmt: skip


def queue(name, body):
    most = {"gpus": body.get("max_gpus_per_user"), "running_jobs": body.get("max_running_per_user")}
    return QueueView(name, each_user=Limits(**most))


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_example_comes_true(text):
    Example(text)


def test_there_are_examples():
    assert len(EXAMPLES) >= 3
