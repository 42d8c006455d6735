"""The garbage collector rests while a cycle plans, and works again after it, however it ends."""

import gc

import pytest

from jobs.planning import cycle, gc_pause
from scheduling.planning.plan import make_plan


@pytest.fixture(autouse=True)
def _collecting():
    gc.enable()
    yield
    gc.enable()


def test_it_rests_meanwhile_and_works_again_after_a_failure():
    def fail():
        with gc_pause.paused():
            assert not gc.isenabled()
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()

    assert gc.isenabled()


def test_it_stays_off_where_it_was_off():
    gc.disable()

    with gc_pause.paused():
        pass

    assert not gc.isenabled()


@pytest.mark.django_db(transaction=True)
def test_a_cycle_plans_while_it_rests(monkeypatch):
    seen = []

    def plan(*given):
        seen.append(gc.isenabled())
        return make_plan(*given)

    monkeypatch.setattr(cycle, "make_plan", plan)

    cycle.run_cycle()

    assert (seen, gc.isenabled()) == ([False], True)
