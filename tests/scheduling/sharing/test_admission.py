"""What can never start is refused when it is submitted, and told so if it waits already; everything else is taken."""

from dataclasses import replace

import hypothesis.strategies as st
import pytest
from hypothesis import example, given, settings

from scheduling.planning.plan import make_plan
from scheduling.resources import Request
from scheduling.sharing.admission import admission_faults
from scheduling.sharing.cohorts import Cohorts
from scheduling.snapshot import NO_LOAN_LIMITS, Limits, LoanLimits, ProjectView, chain_of
from tests.scheduling.builders import gpu_node, gpus, limited, snapshot, waiting

PARENTS = {"org": None, "team": "org", "others": "org", "a": "team", "b": "team", "c": "team", "d": "others"}
NODES = tuple(gpu_node(f"n{number}", cpus=1_000, memory_mb=1_000, gpus=gpus(64)) for number in range(3))
NEVER = "It can never start like this"

amounts = st.one_of(st.none(), st.integers(0, 8))
loans = st.one_of(st.just(NO_LOAN_LIMITS), st.builds(LoanLimits, gpus=amounts, cpus=amounts, memory_mb=amounts))
limits = st.one_of(
    st.none(),
    st.builds(
        Limits,
        gpus=amounts,
        cpus=amounts,
        memory_mb=amounts,
        running_jobs=st.sampled_from((None, None, None, 0, 1)),
        enforced=st.sampled_from((True, True, True, False)),
        borrowing=loans,
        lending=loans,
    ),
)
trees = st.tuples(*(limits for _ in PARENTS)).map(
    lambda drawn: tuple(ProjectView(slug, PARENTS[slug], one) for slug, one in zip(PARENTS, drawn, strict=True))
)
requests = st.builds(
    Request, gpus=st.integers(0, 8), cpus=st.integers(1, 8), memory_mb=st.integers(0, 8), nodes=st.integers(1, 3)
)
LENT_IN_PART = (
    ProjectView("org", None),
    ProjectView("team", "org"),
    ProjectView("a", "team", Limits(gpus=4, borrowing=LoanLimits(gpus=8))),
    ProjectView("b", "team", Limits(gpus=4, lending=LoanLimits(gpus=2))),
)
KEPT_BY_OTHERS = (
    ProjectView("org", None),
    ProjectView("team", "org", Limits(gpus=4)),
    ProjectView("a", "team"),
    ProjectView("b", "team", Limits(gpus=8, lending=LoanLimits(gpus=0))),
)


def faults(tree, project, request, *, firm=False):
    chain = chain_of(project, {one.slug: one for one in tree})
    return admission_faults(request, nodes=NODES, chain=chain, cohorts=Cohorts.of(tree), firm=firm)


def planned(tree, project, request, *, firm=False):
    """The reasons of the job where nothing else waits or runs and the nodes have all that it needs; none if it starts."""
    job = waiting(1, project=project, request=request, preemptible=not firm)
    plan = make_plan(snapshot(job, nodes=NODES, projects=tree), now=10.0)
    return [] if plan.placements else [reason.sentence for reason in plan.waits[0].reasons]


@settings(max_examples=300)
@given(tree=trees, project=st.sampled_from(tuple(PARENTS)), request=requests, firm=st.booleans())
@example(tree=LENT_IN_PART, project="a", request=Request(gpus=7), firm=False)
def test_a_request_is_refused_if_and_only_if_an_empty_platform_would_never_start_it(tree, project, request, firm):
    refused, reasons = faults(tree, project, request, firm=firm), planned(tree, project, request, firm=firm)

    assert bool(refused) == bool(reasons)
    assert all(NEVER in sentence for sentence in reasons[:1])
    assert all(one.field.startswith("resources.") or one.field == "project" for one in refused)


@pytest.mark.parametrize(
    ("request_", "messages"),
    [
        (Request(gpus=6), []),
        (
            Request(gpus=7),
            [
                "The projects below team have 8 GPUs together, of which others keep 2 GPUs: at most 6 GPUs at once; this job needs 7 GPUs."
            ],
        ),
        (
            Request(gpus=13),
            [
                "The quota of project a allows at most 12 GPUs at once; this job needs 13 GPUs.",
                "The projects below team have 8 GPUs together, of which others keep 2 GPUs: at most 6 GPUs at once; this job needs 13 GPUs.",
            ],
        ),
    ],
)
def test_each_level_that_never_has_so_much_is_named_with_its_numbers(request_, messages):
    told = faults(LENT_IN_PART, "a", request_)

    assert [one.message for one in told] == messages
    assert {(one.field, one.code) for one in told} <= {("resources.gpus", "quota")}


def test_quotas_that_only_watch_refuse_nothing():
    watched = tuple(
        replace(one, limits=replace(one.limits, enforced=False)) if one.limits else one for one in LENT_IN_PART
    )

    assert faults(watched, "a", Request(gpus=60)) == ()


@pytest.mark.parametrize(
    ("tree", "project", "request_", "firm", "words"),
    [
        (
            (limited(gpus=2),), "vision", Request(gpus=4), False,
            "submit it again with at most 2 GPUs, or have the quota of project vision raised by 2 GPUs.",
        ),
        (
            LENT_IN_PART, "a", Request(gpus=8), False,
            "submit it again with at most 6 GPUs, or have the quotas below project team raised by 2 GPUs.",
        ),
        (
            LENT_IN_PART, "a", Request(gpus=5), True,
            "submit it again with at most 4 GPUs, make it preemptible, or have the quota of project a raised by 1 GPU.",
        ),
        (
            (limited(running_jobs=0),), "vision", Request(), False,
            "have the quota of project vision raised by 1 running job.",
        ),
        (KEPT_BY_OTHERS, "a", Request(gpus=1), False, "have the quota of project team raised by 5 GPUs."),
        ((limited(gpus=0),), "vision", Request(gpus=1), False, "have the quota of project vision raised by 1 GPU."),
    ],
)  # fmt: skip
def test_who_waits_in_vain_is_told_so_and_what_would_change_it(tree, project, request_, firm, words):
    [sentence] = planned(tree, project, request_, firm=firm)

    assert sentence.endswith(f"{NEVER}: {words}")
