"""The ledger of a pass says of every tree, whoever comes and goes, what the plain sums over those who run say."""

from dataclasses import replace
from random import Random

import hypothesis.strategies as st
from hypothesis import given, settings

from scheduling.resources import Request, total
from scheduling.sharing.associations import Associations
from scheduling.sharing.cohorts import RESOURCES, Cohorts
from scheduling.sharing.ledger import Cells, Ledger, Levels
from scheduling.sharing.model_quotas import ModelQuotas
from scheduling.sharing.quota_profile import count_of
from scheduling.sharing.quotas import NOTHING_USED, Usage, ceilings, quota_violation, usage_by_project
from scheduling.snapshot import Limits, LoanLimits, ProjectView, QueueView, RunningJob, chain_of
from tests.scheduling.builders import gpu_node, limited, running, share

SEEDS = st.integers(0, 2**32)


def loans(dice, most, *, shared):
    return LoanLimits(*(dice.choice((None, dice.randint(0, most))) if shared else None for _ in range(2)))


def limits(dice, *, shared):
    gpus, cpus, jobs = (dice.choice((None, dice.randint(0, 12))) for _ in range(3))
    own = Limits(gpus, cpus, running_jobs=jobs, enforced=dice.random() < 0.9)
    return Limits(
        own.gpus, own.cpus, running_jobs=jobs, enforced=own.enforced,
        borrowing=loans(dice, 8, shared=shared), lending=loans(dice, 4, shared=shared),
    )  # fmt: skip


def tree(dice, *, shared):
    slugs = [f"p{number}" for number in range(dice.randint(1, 12))]
    parents = [None, *(dice.choice(slugs[:number]) for number in range(1, len(slugs)))]
    some = [dice.choice((None, limits(dice, shared=shared), limits(dice, shared=shared))) for _ in slugs]
    return tuple(map(ProjectView, slugs, parents, some))


def job(number, projects, dice):
    held = share(cpus=dice.randint(0, 4), gpu_indices=tuple(range(dice.randint(0, 4))))
    return running(number, held, project=dice.choice(projects).slug)


def moments(dice, projects, cells):
    """Who runs and the ledger, after each that has come or gone."""
    there = [job(number, projects, dice) for number in range(dice.randint(0, 6))]
    ledger = Ledger.of(cells, there)
    yield there, ledger
    for number in range(100, 112):
        if there and dice.random() < 0.4:
            one, times = there.pop(dice.randrange(len(there))), -1
        else:
            one, times = job(number, projects, dice), 1
            there.append(one)
        ledger.change(one.project, total(held.amount for held in one.shares) * times, times)
        yield there, ledger


def of_a_user(number, dice):
    held = share(dice.choice(("h", "cpu")), gpu_indices=tuple(range(dice.randint(0, 4))))
    one = running(number, held, project=dice.choice(("acme", "vision", "other")))
    return replace(one, owner=dice.choice(("ann", "bob", "")), queue=dice.choice(("night", "default")))


@settings(max_examples=50)
@given(seed=SEEDS)
def test_users_and_models_hold_what_the_plain_sums_say_whoever_comes_and_goes(seed):
    dice, there = Random(seed), list[RunningJob]()  # noqa: S311 - no secret: the same seed gives the same world
    users = Limits(gpus=4)
    projects = {
        one.slug: one
        for one in (
            limited("acme", each_user=users, gpu_models=(("h100", 2),)),
            limited("vision", parent="acme", each_user=users),
            ProjectView("other"),
        )
    }
    by_user = Associations(projects, (QueueView("night", each_user=users),))
    by_model = ModelQuotas(projects, (gpu_node("h"),))
    ledger = Ledger.of(Cells(Cohorts(projects.values()).tree), ())
    for number in range(12):
        before, slugs = ledger.copy(), dict(ledger)
        gone = bool(there) and dice.random() < 0.4
        one = there.pop() if gone else of_a_user(number, dice)
        there += [] if gone else [one]
        chain = [level for level in chain_of(one.project, projects) if level.limits]
        levels = Levels(chain, (*by_user.of(one), *by_model.over(one.project)))
        ledger.count(levels, one.shares, total(held.amount for held in one.shares), -1 if gone else 1)
        plain = by_user.usage(there) | by_model.usage(there)
        held = {slug: used for slug, used in ledger.items() if slug not in projects and used != Usage()}
        assert held == {slug: used for slug, used in plain.items() if used != Usage()}
        assert dict(before) == slugs


@settings(max_examples=200)
@given(seed=SEEDS)
def test_what_is_held_committed_and_taken_is_what_those_who_run_make_of_it(seed):
    dice = Random(seed)  # noqa: S311 - as above
    projects = tree(dice, shared=True)
    cohorts, by_slug = Cohorts(projects), {one.slug: one for one in projects}
    for there, ledger in moments(dice, projects, Cells(cohorts.tree)):
        plain = usage_by_project(there, by_slug)
        for slug in by_slug:
            assert ledger[slug] == plain.get(slug, NOTHING_USED)
            for name in RESOURCES:
                assert ledger.committed(slug, name) == cohorts.committed(slug, name, plain)
                if cohorts.pool(slug, name) is not None:
                    assert ledger.taken(slug, name) == cohorts.taken(slug, name, plain)


def refused_by_plain_sums(cohorts, projects, there, more, *, firm):
    """By what would be committed and claimed at each level if it ran too."""
    before, after = usage_by_project(there, projects), usage_by_project([*there, more], projects)
    asked, chain = total(held.amount for held in more.shares), chain_of(more.project, projects)
    if any(quota_violation(one, before, asked, firm=firm) for one in chain):
        return True
    for name in RESOURCES:
        for one in chain if getattr(asked, name) else ():
            allowed = ceilings(one, firm=firm)
            most = None if allowed is None else getattr(allowed, name)
            was, is_then = (cohorts.committed(one.slug, name, usage) for usage in (before, after))
            keeps = was > getattr(before.get(one.slug, NOTHING_USED).amount, name)
            if most is not None and keeps and is_then > max(was, most):
                return True
            claims = [cohorts.claimed(one.slug, name, usage) for usage in (before, after)]
            pool = None if most is None else cohorts.pool(one.parent, name)
            rises = claims[1] - claims[0]
            if pool is not None and rises > 0 and cohorts.taken(one.parent, name, before) + rises > pool:
                return True
    return False


@settings(max_examples=300)
@given(seed=SEEDS, firm=st.booleans(), shared=st.booleans())
def test_a_job_is_refused_where_the_plain_sums_refuse_it(seed, firm, shared):
    """And never while there is room at a glance; where nobody borrows or keeps anything, always when there is not."""
    dice = Random(seed)  # noqa: S311 - as above
    projects = tree(dice, shared=shared)
    cohorts, by_slug = Cohorts(projects), {one.slug: one for one in projects}
    cells = Cells(cohorts.tree)
    for there, ledger in moments(dice, projects, cells):
        more = job(999, projects, dice)
        asked = total(held.amount for held in more.shares)
        count = count_of(Request(cpus=asked.cpus, gpus=asked.gpus).total)
        checks = cells.checks(more.project, firm=firm)

        refused = refused_by_plain_sums(cohorts, by_slug, there, more, firm=firm)

        assert ledger.refuses(more.project, asked, firm=firm) == refused
        assert not (refused and ledger.has_room(checks, count))
        assert refused or shared or ledger.has_room(checks, count)


def test_a_copy_changes_by_itself():
    cells = Cells(Cohorts((ProjectView("vision", None, Limits(gpus=8)),)).tree)
    ledger = Ledger.of(cells, ())

    ledger.copy().change("vision", Request(gpus=2).total, 1)

    assert ledger["vision"] == NOTHING_USED
