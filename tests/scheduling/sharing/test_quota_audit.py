"""Books that agree have no mistakes, and what mistakes make wrong is what the placements hold beyond what is due."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from scheduling.resources import ZERO, Resources
from scheduling.sharing.quota_audit import Book, HeldShare, JobBooks, Mistake, drift, mistakes, read_otherwise

EACH = Resources(cpus=2, memory_mb=100, gpus=2)


def share(placement=1, attempt=1, *, over=False, cpus=2, gpus=(0, 1), holds=(0, 1), leased=False):
    return HeldShare(placement, attempt, over, cpus, 100, gpus, holds, leased)


def books(**fields):
    known = {"placed": True, "attempt": 1, "nodes": 1, "each": EACH, "open_attempts": (1,), "shares": (share(),)}
    return JobBooks(7, "vision", **{**known, **fields})


def kinds(one):
    return [finding.mistake for finding in mistakes(one)]


def test_books_that_agree():
    assert mistakes(books()) == []
    assert mistakes(books(placed=False, open_attempts=(), shares=())) == []
    assert mistakes(books(nodes=2, ended=1)) == []  # a member that ended before the other


def test_each_mistake_has_its_name():
    assert kinds(books(shares=(share(over=True),), open_attempts=(), placed=False)) == [Mistake.ENDED_ATTEMPT]
    assert kinds(books(placed=False)) == [Mistake.STALE_ATTEMPT]
    assert kinds(books(attempt=2)) == [Mistake.STALE_ATTEMPT, Mistake.NO_ATTEMPT]
    assert kinds(books(shares=())) == [Mistake.NO_PLACEMENT]
    assert kinds(books(nodes=2)) == [Mistake.NO_PLACEMENT]
    assert kinds(books(shares=(share(cpus=3),))) == [Mistake.AMOUNT]
    assert kinds(books(shares=(share(holds=(0,)),))) == [Mistake.GPU_HOLD]


def test_the_planner_that_reads_otherwise_is_told():
    [missing] = read_otherwise({}, [books()])
    [phantom] = read_otherwise({8: EACH}, [])
    assert (missing.off, missing.jobs, phantom.off, phantom.jobs) == (EACH * -1, -1, EACH, 1)
    assert list(read_otherwise({7: EACH}, [books()])) == []


shares = st.builds(
    share,
    attempt=st.integers(1, 2),
    over=st.booleans(),
    cpus=st.integers(1, 4),
    gpus=st.sets(st.integers(0, 3)).map(tuple),
    holds=st.sets(st.integers(0, 3)).map(tuple),
)
anything = st.builds(
    books,
    placed=st.booleans(),
    attempt=st.integers(1, 2),
    nodes=st.integers(1, 3),
    open_attempts=st.sets(st.integers(1, 2), max_size=1).map(tuple),
    shares=st.lists(shares, max_size=3).map(
        lambda found: tuple(one._replace(placement=n) for n, one in enumerate(found))
    ),
    ended=st.integers(0, 3),
)


@given(anything)
def test_a_difference_never_hides_and_counts_once(one):
    found = mistakes(one)
    off = sum((each.off for each in found if each.book == Book.ROWS), ZERO)
    assert off == one.held - one.due
    assert drift(found)[Book.ROWS]["gpus"] == abs(off.gpus)
    assert len({each.key for each in found}) == len(found) or len(one.shares) > 1


@given(anything)
def test_who_holds_nothing_and_is_due_nothing_has_nothing_wrong_but_an_open_attempt(one):
    empty = replace(one, placed=False, shares=(), open_attempts=())
    assert mistakes(empty) == []
