"""What a request may have: ever, now, and in the waiting line."""

import pytest

from scheduling.memory_units import gpu_megabytes
from scheduling.resources import Request, Resources
from scheduling.sharing.admission import admission_faults
from scheduling.sharing.quotas import Usage, may_wait, quota_violation, usage_by_project
from scheduling.snapshot import ProjectView
from tests.scheduling.builders import T4, cpu_node, gpu_node, gpus, limited, running, share

NODES = (
    cpu_node("cpu-1", cpus=16, memory_mb=65_536),
    gpu_node("gpu-1", cpus=64, memory_mb=32_768),
    gpu_node("gpu-2", cpus=8, memory_mb=8_192, gpus=gpus(2, model=T4, memory_mb=15_360)),
)


def ever(request, *chain, nodes=NODES):
    return {error.field: error.message for error in admission_faults(request, nodes=nodes, chain=chain)}


@pytest.mark.parametrize(
    "request_",
    [
        Request(),
        Request(cpus=64, gpus=8),
        Request(memory_mb=65_536),
        Request(gpus=2, gpu_model="t4", gpu_memory_mb=15_360),
        Request(gpus=8, gpu_model="H100"),
        Request(gpus=1, gpu_model="nvidia h100 80gb"),
    ],
)
def test_what_one_node_could_hold_may_run(request_):
    assert ever(request_) == {}


@pytest.mark.parametrize(
    ("request_", "field", "message"),
    [
        (Request(gpus=9), "resources.gpus", "Needs 9 GPUs; no node has more than 8 of them (gpu-1)."),
        (Request(cpus=65), "resources.cpus", "Needs 65 CPUs; no node has more than 64 CPUs (gpu-1)."),
        (
            Request(memory_mb=65_537),
            "resources.memory_gb",
            "Needs 64.001 GB of memory; no node has more than 64 GB of memory (cpu-1).",
        ),
        (
            Request(gpus=1, gpu_memory_mb=gpu_megabytes(90)),
            "resources.gpu_memory_gb",
            "Needs 90 GB of memory on each GPU; no node has a GPU with more than 85.5 GB (gpu-1).",
        ),
        (
            Request(gpus=1, gpu_model="a100"),
            "resources.gpu_model",
            "Needs a GPU of model a100; no node has one. The models there are: NVIDIA H100 80GB HBM3 and Tesla T4.",
        ),
    ],
)
def test_more_than_any_node_has_is_refused_with_the_largest_there_is(request_, field, message):
    assert ever(request_) == {field: message}


@pytest.mark.parametrize(
    ("request_", "field", "message"),
    [
        (
            Request(gpus=4, gpu_model="t4"),
            "resources.gpus",
            "Needs 4 GPUs of model t4; no node has more than 2 of them (gpu-2).",
        ),
        (
            Request(gpus=1, memory_mb=40_960),
            "resources.memory_gb",
            "Needs 40 GB of memory; no node with 1 GPU has more than 32 GB of memory (gpu-1).",
        ),
        (
            Request(cpus=32, memory_mb=40_960),
            "resources.memory_gb",
            "Needs 40 GB of memory; no node with 32 CPUs has more than 32 GB of memory (gpu-1).",
        ),
        (
            Request(gpus=1, gpu_model="t4", gpu_memory_mb=gpu_megabytes(40)),
            "resources.gpu_memory_gb",
            "Needs 40 GB of memory on each GPU; no node has a GPU of model t4 with more than 16.1 GB (gpu-2).",
        ),
    ],
)
def test_parts_that_exist_but_not_on_one_node_are_refused(request_, field, message):
    assert ever(request_) == {field: message}


def test_every_part_that_is_too_large_is_named_at_once():
    assert set(ever(Request(gpus=9, cpus=65, memory_mb=10**6))) == {
        "resources.gpus",
        "resources.cpus",
        "resources.memory_gb",
    }


def test_gpus_are_refused_where_no_node_has_any():
    assert ever(Request(gpus=1), nodes=(cpu_node(),)) == {"resources.gpus": "Needs 1 GPU; no node has any."}


def test_nodes_count_whatever_their_state():
    """A job for the big machine may wait while that machine is down."""
    assert ever(Request(gpus=8), nodes=(gpu_node(state="down", alive=False),)) == {}


def test_without_any_known_node_the_hardware_refuses_nothing():
    assert ever(Request(gpus=100, gpu_model="tpu"), nodes=()) == {}


@pytest.mark.parametrize(
    ("limits", "field", "words"),
    [
        ({"gpus": 1}, "resources.gpus", "at most 1 GPU at once; this job needs 2 GPUs"),
        ({"cpus": 3}, "resources.cpus", "at most 3 CPUs at once; this job needs 4 CPUs"),
        ({"memory_mb": 512}, "resources.memory_gb", "at most 0.5 GB of memory at once; this job needs 1 GB of memory"),
        ({"running_jobs": 0}, "project", "at most 0 running jobs at once"),
    ],
)
def test_more_than_an_enforced_quota_could_ever_allow_is_refused(limits, field, words):
    request = Request(cpus=4, memory_mb=1024, gpus=2)

    assert ever(request, limited("vision", **limits)) == {field: f"The quota of project vision allows {words}."}


def test_an_ancestor_s_quota_refuses_too_and_is_named():
    chain = (ProjectView("vision", "acme"), limited("acme", gpus=1))

    assert ever(Request(gpus=2), *chain) == {
        "resources.gpus": "The quota of project acme allows at most 1 GPU at once; this job needs 2 GPUs."
    }


@pytest.mark.parametrize("limits", [{"gpus": 0, "enforced": False}, {"gpus": 2}, {"gpus": None}, {"waiting_jobs": 0}])
def test_a_quota_that_is_large_enough_or_not_enforced_refuses_nothing(limits):
    assert ever(Request(gpus=2), limited(**limits)) == {}


def test_a_quota_of_no_gpus_lets_cpu_jobs_run():
    assert ever(Request(), limited(gpus=0)) == {}


def test_a_gang_larger_than_the_cluster_is_refused_with_the_number_of_nodes_that_could_hold_a_member():
    nodes = (cpu_node(name="n1", cpus=4), cpu_node(name="n2", cpus=8), cpu_node(name="n3", cpus=8))

    assert ever(Request(cpus=8, nodes=2), nodes=nodes) == {}
    assert ever(Request(cpus=8, nodes=3), nodes=nodes) == {
        "resources.nodes": "Needs 3 nodes at once; only 2 nodes have what each of them needs."
    }
    assert list(ever(Request(cpus=9, nodes=2), nodes=nodes)) == ["resources.cpus"]


def test_a_gang_must_fit_in_the_quota_as_a_whole():
    assert ever(Request(cpus=4, nodes=2), limited(cpus=8), nodes=()) == {}
    assert list(ever(Request(cpus=4, nodes=3), limited(cpus=8), nodes=())) == ["resources.cpus"]


@pytest.mark.parametrize("request_", [Request(gpu_model="h100"), Request(gpu_memory_mb=1024)])
def test_a_kind_of_gpu_without_a_number_of_gpus_is_refused_rather_than_run_on_a_cpu(request_):
    assert list(ever(request_)) == ["resources.gpus"]


def test_errors_say_by_their_code_what_refused():
    errors = admission_faults(Request(gpus=9), nodes=NODES, chain=(limited(gpus=1),))

    assert [error.code for error in errors] == ["hardware", "quota"]


def quota_violations(request, *, chain, usage):
    found = (quota_violation(project, usage, request.total) for project in chain)
    return tuple(reason for reason in found if reason is not None)


USED = {"vision": Usage(Resources(cpus=6, memory_mb=4096, gpus=3), running_jobs=2)}


@pytest.mark.parametrize(
    ("limits", "shortfall"),
    [
        ({}, None),
        ({"gpus": 5}, None),
        ({"gpus": 4}, {"gpus": 1}),
        ({"cpus": 9}, {"cpus": 1}),
        ({"memory_mb": 4096}, {"memory_mb": 1024}),
        ({"running_jobs": 3}, None),
        ({"running_jobs": 2}, {"running_jobs": 1}),
        ({"gpus": 0, "cpus": 0}, {"gpus": 5, "cpus": 10}),
        ({"gpus": 0, "enforced": False}, None),
    ],
)
def test_a_quota_holds_back_what_would_break_it(limits, shortfall):
    reasons = quota_violations(Request(cpus=4, memory_mb=1024, gpus=2), chain=(limited(**limits),), usage=USED)

    assert [reason.shortfall for reason in reasons] == ([] if shortfall is None else [shortfall])


def test_a_quota_that_is_broken_already_holds_back_only_what_adds_to_it():
    assert quota_violations(Request(cpus=1), chain=(limited(gpus=1),), usage=USED) == ()


def test_each_quota_in_the_chain_gives_its_own_reason():
    usage = {**USED, "acme": Usage(Resources(cpus=60, gpus=8), running_jobs=9)}
    chain = (limited("vision", parent="acme", gpus=4), limited("acme", gpus=8, running_jobs=9))

    reasons = quota_violations(Request(gpus=2), chain=chain, usage=usage)

    assert [reason.sentence for reason in reasons] == [
        "The quota of project vision allows 4 GPUs (3 in use); this job needs 2 GPUs.",
        "The quota of project acme allows 8 GPUs (8 in use) and 9 running jobs (9 running); this job needs 2 GPUs.",
    ]


def test_a_quota_on_memory_speaks_of_memory():
    (reason,) = quota_violations(Request(memory_mb=2048), chain=(limited(memory_mb=5120),), usage=USED)

    assert reason.sentence == (
        "The quota of project vision allows 5 GB of memory (4 GB in use); this job needs 2 GB of memory."
    )


@pytest.mark.parametrize(("waiting", "more", "over"), [(0, 10, None), (9, 1, None), (10, 1, 1), (5, 8, 3)])
def test_a_project_may_keep_only_so_many_jobs_in_line(waiting, more, over):
    reasons = may_wait(chain=(limited(waiting_jobs=10),), waiting={"vision": waiting}, more=more)

    assert [reason.shortfall for reason in reasons] == ([{"waiting_jobs": over}] if over else [])


def test_a_full_line_says_whose_limit_it_is():
    chain = (ProjectView("vision", "acme"), limited("acme", waiting_jobs=10))

    (reason,) = may_wait(chain=chain, waiting={"acme": 10})

    assert reason.sentence == "The quota of project acme allows 10 waiting jobs (10 now)."


def test_usage_counts_for_every_ancestor():
    tree = {p.slug: p for p in (ProjectView("acme"), ProjectView("a", "acme"), ProjectView("b", "acme"))}
    jobs = (
        running(1, share(cpus=2, gpu_indices=(0,)), share("gpu-2", cpus=2, gpu_indices=(0,)), project="a"),
        running(2, share(cpus=3), project="b"),
    )

    assert usage_by_project(jobs, tree) == {
        "a": Usage(Resources(cpus=4, gpus=2), 1),
        "b": Usage(Resources(cpus=3), 1),
        "acme": Usage(Resources(cpus=7, gpus=2), 2),
    }
