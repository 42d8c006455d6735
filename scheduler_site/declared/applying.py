"""Bringing the database in line with a file: in one transaction, all of it or nothing."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from django.db import connection, transaction

from jobs.messages import publishing
from quotas.budgets.setting import lock_budgets
from quotas.costs.prices import lock_prices
from scheduler_site.declared import budgets, pools, prices, projects, queues
from scheduler_site.declared.changes import Change, Verb
from scheduler_site.declared.document import Declared

APPLY_LOCK = 0x6170_706C
""""appl": whoever brings the database in line with a file does it alone."""
ORDER = (("projects", projects), ("projects", budgets), ("prices", prices), ("pools", pools), ("queues", queues))
"""What others refer to comes first. What is surplus goes the other way round."""


def apply(declared: Declared, *, prune: bool, dry_run: bool, show: Callable[[Change], object]) -> Counter[Verb]:
    """Do what is to be done, each shown before, and say how much of what. Raises Refused; nothing is done then.

    A dry run does it too, so that it is refused by what would refuse it, and takes all of it back.
    """
    with transaction.atomic():
        _lock(declared)
        done = Counter[Verb]()
        for step in _steps(declared, prune=prune):
            done[step.verb] += 1
            show(step)
            step.carry_out()
        if dry_run:
            transaction.set_rollback(True)
        elif done.keys() - {Verb.SAME}:
            publishing.request_cycle()
    return done


def _lock(declared: Declared) -> None:
    """All locks of such changes at once and first: later ones would come after rows that others lock behind them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [APPLY_LOCK])
    if "projects" in declared:
        lock_budgets()
    if "prices" in declared:
        lock_prices(alone=True)


def _steps(declared: Declared, *, prune: bool) -> Iterator[Change]:
    """Each kind is looked at once what comes before it is done."""
    told = [(kind, declared[section]) for section, kind in ORDER if section in declared]
    wanted: Iterable[Iterable[Change]] = (list(kind.changes(entries)) for kind, entries in told)
    gone: Iterable[Iterable[Change]] = (list(kind.surplus(entries)) for kind, entries in reversed(told) if prune)
    return chain.from_iterable(chain(wanted, gone))
