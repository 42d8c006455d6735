"""What quotas lack for a request, in numbers: the same whoever was asked about before, and something where it is refused."""

from random import Random

import hypothesis.strategies as st
from hypothesis import given, settings

from scheduling.resources import Resources
from scheduling.sharing import shortages
from scheduling.sharing.cohorts import Cohorts
from scheduling.sharing.ledger import Cells, Levels
from scheduling.sharing.quotas import quota_violation
from scheduling.sharing.shortages import OwnShortage, Shortages
from scheduling.snapshot import chain_of
from tests.scheduling.sharing.test_ledger import SEEDS, moments, tree


def told(found):
    return [(type(one), one.subject, list(one.short.items()), getattr(one, "branch", None)) for one in found]


def questions(dice, projects):
    by_slug = {one.slug: one for one in projects}
    for _ in range(8):
        asked = Resources(cpus=dice.randint(0, 3), gpus=dice.randint(0, 3))
        chain = chain_of(dice.choice(projects).slug, by_slug)
        yield asked, Levels(chain), dice.random() < 0.3


@settings(max_examples=200)
@given(seed=SEEDS, shared=st.booleans())
def test_who_is_asked_about_after_others_lacks_what_it_lacks_alone(seed, shared):
    dice = Random(seed)  # noqa: S311 - no secret: the same seed has to give the same world
    projects = tree(dice, shared=shared)
    for _, ledger in moments(dice, projects, Cells(Cohorts(projects).tree)):
        together = Shortages(ledger)
        for asked, levels, firm in questions(dice, projects):
            found = together.of(asked, levels, firm=firm)

            assert told(found) == told(Shortages(ledger).of(asked, levels, firm=firm))
            assert bool(found) == ledger.refuses(levels.projects[0].slug, asked, firm=firm)
            own = {one.subject: one.short for one in found if isinstance(one, OwnShortage)}
            alone = {one.slug: quota_violation(one, ledger, asked, firm=firm) for one in levels.projects}
            assert own == {slug: reason.shortfall for slug, reason in alone.items() if reason is not None}


def test_only_so_many_requests_are_remembered(monkeypatch):
    monkeypatch.setattr(shortages, "MOST_REQUESTS", 3)
    dice = Random(1)  # noqa: S311 - as above
    projects = tree(dice, shared=True)
    _, ledger = next(moments(dice, projects, Cells(Cohorts(projects).tree)))
    together = Shortages(ledger)
    for cpus in (1, 2, 3, 4, 5, 1):
        asked = Resources(cpus=cpus)

        found = together.of(asked, Levels(projects[-1:]), firm=False)

        assert told(found) == told(Shortages(ledger).of(asked, Levels(projects[-1:]), firm=False))
        assert len(together._known) <= 3
