"""What is expected of a job, by those of the same user that have ended."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from scheduling.forecast.runtime_prediction import History, Traits
from simulator.history import learner
from simulator.settings import RunTimes
from tests.simulator.builders import job

ENDED = st.tuples(
    st.sampled_from(["", "ann", "bob"]),
    st.sampled_from(["", "lab"]),
    st.integers(1, 90),
    st.sampled_from([None, 30, 60]),
)


def platform_says(history, one):
    """What `scheduling` expects, where it goes by the user's own jobs."""
    said = history.predict(Traits(one.trace.group, one.trace.user, limit_seconds=one.walltime_s))
    return said.expected if said is not None and said.is_own else None


@given(st.lists(ENDED, max_size=25))
def test_learned_run_times_are_those_of_the_platform(rows):
    learned, history = learner(RunTimes.LEARNED), History()
    for number, (user, group, run, walltime) in enumerate(rows):
        one = replace(job(number, 0, run, user=user, group=group), walltime_s=walltime)
        assert learned.predict(one) == platform_says(history, one)

        learned.learn(one)
        history.observe(Traits(group, user, limit_seconds=walltime), run)


def test_without_learning_nothing_is_expected():
    nobody = learner(RunTimes.REQUESTED)
    nobody.learn(job(0, 0, 10, user="ann"))
    nobody.learn(job(1, 0, 10, user="ann"))

    assert nobody.predict(job(2, 20, 10, user="ann")) is None
