"""How workloads stand, and what may be asked of them."""

import pytest

from scheduling.lifecycle import JobState
from scheduling.workloads import Phase, Verb, Wanted, phase_of, refusal, why_stopped

P, R, Z = JobState.PENDING, JobState.RUNNING, JobState.PAUSED
C, F, X = JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED


@pytest.mark.parametrize(
    ("wanted", "counts", "phase"),
    [
        (Wanted.OPEN, {}, Phase.EMPTY),
        (Wanted.HELD, {}, Phase.HELD),
        (Wanted.HELD, {P: 3}, Phase.HELD),
        (Wanted.OPEN, {P: 3, C: 1}, Phase.WAITING),
        (Wanted.OPEN, {P: 3, R: 1}, Phase.RUNNING),
        (Wanted.OPEN, {Z: 2}, Phase.WAITING),
        (Wanted.PAUSED, {R: 1, P: 2}, Phase.PAUSING),
        (Wanted.PAUSED, {Z: 1, P: 2}, Phase.PAUSED),
        (Wanted.PAUSED, {C: 2}, Phase.COMPLETED),
        (Wanted.CANCELLED, {R: 1, X: 2}, Phase.CANCELLING),
        (Wanted.CANCELLED, {}, Phase.CANCELLED),
        (Wanted.CANCELLED, {X: 2, C: 1}, Phase.CANCELLED),
        (Wanted.CANCELLED, {C: 2}, Phase.COMPLETED),
        (Wanted.OPEN, {C: 2, F: 1, X: 1}, Phase.FAILED),
    ],
)
def test_how_it_stands_follows_from_what_is_wanted_and_what_its_jobs_do(wanted, counts, phase):
    assert phase_of(wanted, counts) is phase


def test_nothing_takes_back_a_cancellation_and_a_refusal_says_what_to_do():
    assert refusal("s", Wanted.CANCELLED, Verb.RESUME) == "Workload s is cancelled, and nothing takes that back."
    assert refusal("s", Wanted.HELD, Verb.PAUSE) == "Workload s has not been started: start it first."
    assert refusal("s", Wanted.PAUSED, Verb.START) == "Workload s was started and is paused: resume it."
    assert not any(refusal("s", wanted, Verb.CANCEL) for wanted in Wanted)


def test_one_that_is_open_starts_its_jobs_until_one_fails_that_it_stops_at():
    assert why_stopped("s", Wanted.OPEN) == ""
    assert why_stopped("s", Wanted.OPEN, failed=7) == "Workload s stops at the first failure, and job 7 failed."
