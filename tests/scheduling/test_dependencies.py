"""Who can no longer start because of what it depends on."""

from hypothesis import given
from hypothesis import strategies as st

from scheduling.dependencies import After, Link, Standing, doomed
from scheduling.lifecycle import JobState

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


def test_a_hundred_thousand_in_a_row_are_no_matter():
    links = [
        Link(job, job - 1, After.OK, JobState.FAILED if job == 1 else JobState.PENDING) for job in range(1, 100_001)
    ]
    dooms = doomed(links, range(1, 100_001))

    assert (len(dooms), {doom.root for doom in dooms.values()}) == (100_000, {0})
