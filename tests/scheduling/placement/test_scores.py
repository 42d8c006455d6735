"""What a score is made of, and where jobs go by it."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from scheduling.placement.criteria import TRIES, best_of, hope, scaled
from scheduling.planning.places.ranking import ranking
from scheduling.planning.plan import make_plan
from scheduling.price_list import Price, Target
from scheduling.resources import Request
from scheduling.rules import PlacementWeights, Rules
from scheduling.snapshot import QueueView
from scheduling.speeds import Speeds
from tests.scheduling.builders import cpu_node, gpu_node, gpus, running, share, snapshot, waiting

SINCE = datetime(2020, 1, 1, tzinfo=UTC)
NOW = datetime(2030, 1, 1, tzinfo=UTC).timestamp()
WEIGHTED = Rules(placement="weighted")
ONE_GPU = Request(gpus=1)


def price(amount, name, since=SINCE, until=None, target=Target.GPU_MODEL):
    return Price(target, Decimal(amount), since, until, name)


def node(name, model, number=8, **more):
    return gpu_node(name, gpus=gpus(number, model=model), **more)


def speeds(**seconds):
    """As it is after twenty runs on each type."""
    known = Speeds()
    for _ in range(20):
        for model, took in seconds.items():
            known.observe("train", model, took)
    return known


def world(*jobs, nodes, queue=None, rules=WEIGHTED, **more):
    return replace(
        snapshot(*jobs, nodes=nodes, queues=(QueueView("default", placement_weights=queue),)), rules=rules, **more
    )


def places(seen, now=NOW):
    return {one.job_id: [share.node for share in one.shares] for one in make_plan(seen, now).placements}


def job(number=1, request=ONE_GPU, **more):
    return waiting(number, request=request, kind="train", estimated_runtime_seconds=3_600, **more)


OLD_AND_NEW = (node("new", "H100"), node("old", "A100"))
PRICES = (price("4", "H100"), price("1", "A100"))
TWICE_AS_FAST = speeds(H100=1_800, A100=3_600)


def test_the_weights_of_its_queue_say_whether_a_job_goes_where_it_is_cheap_or_where_it_is_fast():
    known = {"nodes": OLD_AND_NEW, "prices": PRICES, "speeds": TWICE_AS_FAST}

    assert places(world(job(), queue=PlacementWeights(price=1, speed=0), **known)) == {1: ["old"]}
    assert places(world(job(), queue=PlacementWeights(price=0, speed=1), **known)) == {1: ["new"]}


def test_what_counts_is_the_price_of_the_whole_job_not_that_of_an_hour():
    ten_times = speeds(H100=360, A100=3_600)

    assert places(world(job(), nodes=OLD_AND_NEW, prices=PRICES, speeds=ten_times)) == {1: ["new"]}


def test_a_price_that_changes_while_the_job_runs_counts_by_the_part():
    soon = datetime.fromtimestamp(NOW + 600, UTC)
    falls = (price("1", "A100"), price("9", "H100", until=soon), price("0.1", "H100", since=soon))
    only_price = PlacementWeights(price=1, speed=0, fit=0)
    short = replace(job(), estimated_runtime_seconds=500)

    assert places(world(job(), nodes=OLD_AND_NEW, prices=(price("2", "A100"), *falls[1:]), queue=only_price)) == {
        1: ["new"]
    }
    assert places(world(short, nodes=OLD_AND_NEW, prices=falls, queue=only_price)) == {1: ["old"]}


def test_where_jobs_failed_of_late_the_next_one_goes_elsewhere():
    nodes = (replace(node("a", "H100"), failures=2), node("b", "H100"))

    assert places(world(job(), nodes=nodes)) == {1: ["b"]}


def test_nearness_counts_by_its_weight():
    nodes = (node("a", "H100"), replace(node("b", "H100"), failures=1))

    assert places(world(job(near=("b",)), nodes=nodes)) == {1: ["a"]}
    assert places(world(job(near=("b",)), nodes=nodes, queue=PlacementWeights(latency=9))) == {1: ["b"]}


def test_equals_are_packed_and_go_by_name():
    full = (running(9, share("b", gpu_indices=(0, 1))),)
    seen = replace(world(job(), nodes=(node("a", "H100"), node("b", "H100"), node("c", "H100"))), running=full)

    assert places(seen) == {1: ["b"]}
    assert places(replace(seen, running=())) == {1: ["a"]}


def test_a_job_without_gpus_leaves_machines_that_have_some_alone_however_cheap_they_are():
    nodes = (gpu_node("a"), cpu_node("b"))
    dear = (price("99", "b", target=Target.NODE),)

    assert places(world(job(request=Request()), nodes=nodes, prices=dear)) == {1: ["b"]}


def test_a_gang_leaves_the_slow_node_out_though_it_is_the_cheapest():
    """Its members wait for each other: with one A100 the H100 costs as much longer."""
    nodes = (node("a", "A100"), node("h1", "H100"), node("h2", "H100"))
    seen = world(job(request=Request(gpus=8, nodes=2)), nodes=nodes, prices=PRICES, speeds=TWICE_AS_FAST)

    assert places(seen) == {1: ["h1", "h2"]}
    assert places(world(job(request=Request(gpus=8, nodes=3)), nodes=nodes, speeds=TWICE_AS_FAST))[1] == [
        "h1",
        "h2",
        "a",
    ]


def test_a_type_that_was_never_tried_is_tried_if_it_may_be_better_and_not_by_all_at_once():
    """A sweep of eight comes at once: until it is known how fast the new one is, a few of them go there."""
    known = Speeds()
    for _ in range(20):
        known.observe("train", "A100", 3_600)
    sweep = [job(number) for number in range(1, 9)]
    only_speed = PlacementWeights(price=0, speed=1, fit=0)
    found = places(world(*sweep, nodes=(node("a", "A100"), node("new", "H100")), speeds=known, queue=only_speed))

    assert sum(where == ["new"] for where in found.values()) == TRIES
    assert sum(where == ["a"] for where in found.values()) == 8 - TRIES


def test_what_is_hoped_for_is_less_with_each_try_and_then_nothing():
    hopes = [hope(tries) for tries in range(10)]

    assert hopes == sorted(hopes, reverse=True)
    assert hopes[TRIES:] == [0.0] * (10 - TRIES)


def test_a_plan_says_why_a_job_is_there_with_the_best_it_had_to_choose_from():
    [placed] = make_plan(world(job(), nodes=OLD_AND_NEW, prices=PRICES, speeds=TWICE_AS_FAST), NOW).placements

    assert placed.decision.strategy == "weighted"
    assert [one.node for one in placed.decision.candidates] == ["new", "old"]
    new = {one.name: one for one in placed.decision.candidates[0].criteria}
    assert new["price"].value == pytest.approx(4.0 * new["speed"].value / 3_600)
    assert placed.decision.candidates[0].score == pytest.approx(sum(one.scaled * one.weight for one in new.values()))
    assert placed.decision.able == 2


def test_a_ranking_says_whether_there_is_room_now_or_were_if_nothing_ran():
    full = (running(9, share("new", gpu_indices=tuple(range(8)))),)
    seen = world(job(), nodes=(node("new", "H100"),))

    assert not ranking(seen, NOW, job(), 5).empty
    told = ranking(replace(seen, running=full), NOW, job(), 5)
    assert (told.empty, [one.node for one in told.decision.candidates], told.decision.able) == (True, ["new"], 1)


def of_kinds(**known):
    """Speeds of several kinds, of each so many seconds on H100 and A100."""
    made = Speeds()
    for _ in range(20):
        for kind, (fast, slow) in known.items():
            made.observe(kind, "H100", fast)
            made.observe(kind, "A100", slow)
    return made


def test_learned_leaves_the_fast_machine_to_the_job_that_gains_most_by_it():
    """One of each: `big` runs eight times as fast on the H100, `small` hardly faster; both would like it best."""
    known = of_kinds(big=(450, 3_600), small=(3_000, 3_600))
    small, big = (waiting(number, request=Request(gpus=8), kind=kind) for number, kind in ((1, "small"), (2, "big")))
    learned = Rules(placement="learned")

    assert places(world(small, big, nodes=OLD_AND_NEW, speeds=known, rules=learned)) == {1: ["old"], 2: ["new"]}
    assert places(world(small, nodes=OLD_AND_NEW[:1], speeds=known, rules=learned)) == {1: ["new"]}
    assert places(world(small, big, nodes=OLD_AND_NEW, speeds=known, queue=PlacementWeights(price=0, fit=0)))[1] == [
        "new"
    ]


def test_learned_does_not_ask_what_a_queue_finds_important():
    known = {"nodes": OLD_AND_NEW, "prices": PRICES, "speeds": TWICE_AS_FAST, "rules": Rules(placement="learned")}

    assert places(world(job(), queue=PlacementWeights(price=9, speed=0), **known)) == {1: ["new"]}


@pytest.mark.parametrize(
    ("name", "words"),
    [("best_fit", "leaves 7 GPUs"), ("spread", "0 jobs there"), ("least_loaded", "busy"), ("fgd", "usual jobs")],
)
def test_a_strategy_that_scores_nothing_says_in_words_what_it_prefers(name, words):
    told = ranking(world(job(), nodes=OLD_AND_NEW, rules=Rules(placement=name)), NOW, job(), 5).decision

    assert told.strategy == name
    assert words in told.candidates[0].words


def test_auto_says_what_it_picked_and_why():
    [placed] = make_plan(world(job(), nodes=OLD_AND_NEW, rules=Rules(placement="auto")), NOW).placements
    assert (placed.decision.picked, placed.decision.why) == ("best_fit", "All GPUs are given away whole.")

    [near] = make_plan(world(job(near=("old",)), nodes=OLD_AND_NEW, rules=Rules(placement="auto")), NOW).placements
    assert (near.decision.picked, near.shares[0].node) == ("affinity", "old")


def test_the_default_says_nothing_so_that_it_costs_nothing():
    [placed] = make_plan(world(job(), nodes=OLD_AND_NEW, rules=Rules()), NOW).placements

    assert placed.decision is None


amounts = st.none() | st.floats(0, 1e6)
values = st.tuples(amounts, amounts, st.floats(0, 1), st.floats(0, 100), amounts)


@given(st.lists(values, min_size=1, max_size=6))
def test_every_criterion_is_scaled_from_nought_to_one_and_the_best_price_is_nought(found):
    best = best_of(found)
    made = [scaled(one, best) for one in found]

    assert all(0 <= part <= 1 for one in made for part in one)
    if best[0] is not None:
        assert min(one[0] for one in made) == 0


@settings(max_examples=30)
@given(st.permutations(["a", "b", "c", "d"]), st.lists(st.integers(1, 4), min_size=4, max_size=4))
def test_nobody_else_than_the_best_changes_how_two_nodes_compare(names, amounts):
    """A hopeless node that is added leaves all others in their order."""
    nodes = tuple(
        cpu_node(name, labels={"price_per_hour": str(cost)}) for name, cost in zip(names, amounts, strict=True)
    )
    awful = cpu_node("z", labels={"price_per_hour": "1000000"})
    without = [
        one.node
        for one in ranking(
            world(job(request=Request()), nodes=nodes), NOW, job(request=Request()), 9
        ).decision.candidates
    ]
    beside = [
        one.node
        for one in ranking(
            world(job(request=Request()), nodes=(*nodes, awful)), NOW, job(request=Request()), 9
        ).decision.candidates
    ]

    assert beside == [*without, "z"]
