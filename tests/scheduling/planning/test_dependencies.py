"""Who can no longer start because of what it depends on, and who still can."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from scheduling.forecast.forecast import forecast
from scheduling.forecast.outlook import outlook
from scheduling.lifecycle import JobState
from scheduling.planning.dependencies import After, Link, Standing, can_run, doomed, doomed_again, failed_roots
from tests.scheduling.builders import snapshot, waiting

CHAIN = (waiting(2, broken=(1,)), waiting(3, unmet=(2,)), waiting(4, unmet=(3,)))
OVER = [JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED]
JOBS = 8
"""The first half has ended or runs, the second waits."""


@st.composite
def worlds(draw):
    ended = {job: draw(st.sampled_from([*OVER, JobState.RUNNING])) for job in range(JOBS // 2)}
    pairs = [(job, needs) for job in range(JOBS // 2, JOBS) for needs in range(job)]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True))
    links = [
        Link(job, needs, draw(st.sampled_from(After)), ended.get(needs, JobState.PENDING)) for job, needs in chosen
    ]
    mortal = {job for job in range(JOBS // 2, JOBS) if draw(st.booleans())}
    return links, mortal


@given(worlds())
def test_exactly_those_end_of_which_a_dependency_is_dead_once_the_others_have_ended(world):
    links, mortal = world
    dooms = doomed(links, mortal)

    def later(link):
        doom = dooms.get(link.needs)
        state = JobState.CANCELLED if doom else link.state
        return Link(link.job, link.needs, link.after, state, for_failure=bool(doom and doom.failure)).standing

    dead = {link.job for link in links if later(link) == Standing.DEAD}
    assert dooms.keys() == dead & mortal


@given(worlds())
def test_the_root_has_ended_by_itself_and_leads_to_the_job(world):
    links, mortal = world
    dooms = doomed(links, mortal)
    states = {link.needs: link.state for link in links}
    for doom in dooms.values():
        behind = dooms.get(doom.link.needs)
        assert states[doom.root] in OVER
        assert doom.root == (behind.root if behind else doom.link.needs)


@given(worlds(), st.sets(st.integers(0, JOBS - 1)))
def test_of_jobs_that_begin_again_exactly_those_end_at_once_whose_dead_dependency_does_not(world, again):
    dead = [link for link in world[0] if link.standing == Standing.DEAD]
    begin = set(again)
    while in_vain := {link.job for link in dead if link.needs not in begin} & begin:
        begin -= in_vain

    assert doomed_again(dead, again).keys() == again - begin


def test_a_hundred_thousand_in_a_row_are_no_matter():
    links = [
        Link(job, job - 1, After.OK, JobState.FAILED if job == 1 else JobState.PENDING) for job in range(1, 100_001)
    ]
    dooms = doomed(links, range(1, 100_001))

    assert (len(dooms), {doom.root for doom in dooms.values()}) == (100_000, {0})


def able(job):
    return not job.broken and not job.held


def test_a_job_names_the_dead_one_at_the_root_of_its_chain_and_has_no_start():
    answer = outlook(snapshot(*CHAIN), 0.0, 4)

    [reason] = answer.reasons
    assert (reason.code, reason.held_by) == ("dependency_failed", (1,))
    assert reason.sentence == "Depends on job 3, which cannot run: job 1 failed or was cancelled."
    assert (answer.start.expected, answer.start.later_than, answer.position) == (None, None, None)


def test_what_can_still_come_true_is_told_beside_what_cannot():
    answer = outlook(snapshot(*CHAIN, waiting(5), waiting(6, unmet=(5, 4))), 0.0, 6)

    assert [(one.code, one.held_by) for one in answer.reasons] == [("dependency", (5,)), ("dependency_failed", (1,))]


def test_all_roots_are_told_the_nearest_first_and_no_more_than_a_reason_names():
    dead = [waiting(10 + number, broken=(number, number + 50)) for number in range(1, 10)]

    roots = failed_roots([*dead, waiting(99, unmet=tuple(job.id for job in dead))])

    assert roots[99][:4] == (1, 51, 2, 52)
    assert len(roots[99]) == 10


def test_jobs_that_wait_for_each_other_do_not_hang_and_have_no_start():
    ring = (waiting(1, unmet=(3,)), waiting(2, unmet=(1,)), waiting(3, unmet=(2,)))

    assert failed_roots(ring) == {}
    assert can_run(ring, [], able) == set()
    assert {one.later_than for one in forecast(snapshot(*ring), 5.0, [1, 2, 3]).values()} == {None}


def test_a_ring_with_a_dead_member_is_dead_as_a_whole():
    ring = (waiting(1, unmet=(3,), broken=(7,)), waiting(2, unmet=(1,)), waiting(3, unmet=(2,)))

    assert failed_roots(ring) == {1: (7,), 2: (7,), 3: (7,)}


def test_a_chain_of_ten_thousand_is_followed_to_its_root():
    chain = [waiting(2, broken=(1,)), *(waiting(number, unmet=(number - 1,)) for number in range(3, 10_003))]

    assert failed_roots(reversed(chain))[10_002] == (1,)


def test_who_waits_for_a_held_job_or_for_one_that_is_paused_cannot_start_as_things_are():
    held = replace(waiting(1), held="ann")
    jobs = (held, waiting(2, unmet=(1,)), waiting(3, unmet=(2,)), waiting(4, unmet=(77,)), waiting(5, unmet=(900,)))

    assert can_run(jobs, [900], able) == {5}


def test_a_chain_behind_a_job_that_did_not_fail_as_it_was_to_is_told_that():
    chain = (waiting(2, broken=(1,), needs_failure=(1,)), waiting(3, unmet=(2,)))

    [reason] = outlook(snapshot(*chain), 0.0, 3).reasons

    assert reason.sentence == "Depends on job 2, which cannot run: it was to start once job 1 had failed."
