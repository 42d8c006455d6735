"""What an HPA, and KEDA by one, make of `desired_nodes`: their documented algorithm, with the figures of the manifests we ship.

Pods take a minute from their start to their first job, and the emptiest go first, as their deletion cost says.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
import yaml

from scheduling.scaling.decision import Moment, decide
from scheduling.scaling.pools import NodePool, PoolDemand
from tests.architecture import source
from tests.deploy.hpa import Hpa
from tests.scheduling.builders import cpu_node

LOOK, STARTUP = 15.0, 60.0
POOL = NodePool("cpu", cpu_node("shape"), min_nodes=2, max_nodes=50)
OVERLAYS = source.ROOT / "deploy/kubernetes/overlays"


def hpa(**changes) -> Hpa:
    documents = yaml.safe_load_all((OVERLAYS / "hpa/hpa.yaml").read_text(encoding="utf-8"))
    spec = next(one["spec"] for one in documents if one["metadata"]["name"] == "trainyard-cpu")
    return Hpa.of({**spec, "minReplicas": POOL.min_nodes, "maxReplicas": POOL.max_nodes, **changes})


@dataclass
class Cluster:
    """A pool with actuator none over time: what is decided is read by the HPA, whose pods become nodes a minute later."""

    hpa: Hpa
    wants: Callable[[float], int]
    born: list[float] = field(default_factory=lambda: [-1000.0] * 2)
    now: float = 0.0
    told: int = 2
    history: tuple[Moment, ...] = ()
    course: list[int] = field(default_factory=list)
    killed_busy: int = 0

    def run(self, seconds: float) -> "Cluster":
        while self.now < seconds:
            self.step()
        return self

    def step(self) -> None:
        ready = sum(self.now - born >= STARTUP for born in self.born)
        wanted = self.wants(self.now)
        busy = min(wanted, ready)
        asked = PoolDemand("cpu", busy=busy, now=wanted, soon=wanted, waiting=wanted - busy)
        view = replace(POOL, nodes=frozenset(map(str, range(ready))))
        decision = decide(view, asked, max(self.told, busy), self.history, self.now)
        self.told, self.history = decision.nodes, decision.history
        replicas = self.hpa.replicas_for(self.told, len(self.born), self.now)
        # Those that are not ready go first, then the idle ones: so a busy one goes only when all others have gone.
        self.killed_busy += max(busy - replicas, 0)
        self.born = sorted(self.born)[:replicas] + [self.now] * max(replicas - len(self.born), 0)
        self.course.append(replicas)
        self.now += LOOK


def turns(course: Iterable[int]) -> int:
    """How often it went up after it had gone down, or down after up."""
    steps = [after - before for before, after in pairwise(course) if after != before]
    return sum(one * next_ < 0 for one, next_ in pairwise(steps))


def burst(nodes: int, until: float) -> Callable[[float], int]:
    return lambda now: nodes if 60 <= now < until else 2


def test_it_grows_to_what_is_wanted_at_our_pace_while_pods_are_still_starting():
    course = Cluster(hpa(), burst(40, 9e9)).run(400).course
    assert sorted(set(course)) == [2, 6, 12, 24, 40]
    assert course.index(40) * LOOK <= 60 + 30 + 4 * 30


def test_it_goes_back_all_the_way_after_ten_minutes_without_a_turn_or_a_busy_pod_lost():
    cluster = Cluster(hpa(), burst(40, 1200)).run(3600)
    assert cluster.course[int(1795 / LOOK)] == 40, "nothing goes before it was too much for ten minutes"
    assert (cluster.course[-1], turns(cluster.course), cluster.killed_busy) == (2, 1, 0)


@pytest.mark.parametrize("period", [90, 300, 900])
def test_a_demand_that_comes_and_goes_makes_no_pod_come_and_go_with_it(period):
    cluster = Cluster(hpa(), lambda now: 20 if now % period < period / 2 else 4).run(7200)
    assert (turns(cluster.course), cluster.killed_busy) == (0, 0)


@pytest.mark.parametrize(("wanted", "kept"), [(46, 50), (44, 44)])
def test_a_change_of_a_tenth_is_not_followed(wanted, kept):
    """The tolerance of the HPA: with more than ten nodes the last ones too many stay."""
    cluster = Cluster(hpa(), lambda _: wanted, born=[-1000.0] * 50, told=50).run(7200)
    assert cluster.course[-1] == kept
    assert cluster.told == wanted


def test_a_window_of_its_own_on_top_of_ours_only_makes_it_slower():
    usual = hpa(behavior={})
    slower, ours = (Cluster(one, burst(40, 1200)).run(5400) for one in (usual, hpa()))
    assert sum(slower.course) > sum(ours.course)
    assert (slower.course[-1], ours.course[-1]) == (2, 2)


def test_read_from_what_is_ready_instead_of_what_was_told_it_would_never_grow():
    """Why `desired_nodes` goes on from the last number: pods that start would else be taken for too many, again and again."""

    class Forgetful(Cluster):
        def step(self) -> None:
            self.told = sum(self.now - born >= STARTUP for born in self.born)
            super().step()

    assert turns(Forgetful(hpa(), burst(40, 9e9)).run(900).course) > 10


def test_keda_looks_at_the_same_number_with_no_window_of_its_own_either():
    documents = list(yaml.safe_load_all((OVERLAYS / "keda/keda.yaml").read_text(encoding="utf-8")))
    for spec in (one["spec"] for one in documents if one["kind"] == "ScaledObject"):
        behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
        assert behavior["scaleDown"]["stabilizationWindowSeconds"] == 0
        (trigger,) = spec["triggers"]
        assert (trigger["metadata"]["valueLocation"], trigger["metadata"]["targetValue"]) == ("desired_nodes", "1")
