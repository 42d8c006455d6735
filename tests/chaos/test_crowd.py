"""How a crowd is measured: how many ran at once, and who went before whom."""

from chaos import crowd
from chaos.diaries import DiaryRun


def test_those_that_ran_at_the_same_time_are_counted():
    spans = [(0, 10), (2, 5), (5, 8), (6, 7)]

    assert crowd.peak([DiaryRun(number, 1, 0, *span) for number, span in enumerate(spans)]) == 3


def test_a_job_that_went_before_a_more_urgent_one_is_out_of_order():
    ranks = {1: 0, 2: 0, 3: 1, 4: 2}

    assert crowd.out_of_order(ranks, {1: 1.0, 2: 2.0, 3: 3.0, 4: 4.0}) == 0
    assert crowd.out_of_order(ranks, {1: 1.0, 2: 3.5, 3: 3.0, 4: 4.0}) == 1


def test_the_crowd_has_as_many_of_each_priority_as_there_is_room_for_in_any_order():
    jobs = crowd.plan(1)

    assert {name: sum(job.priority == name for job in jobs) for name in crowd.PRIORITIES} == dict.fromkeys(
        crowd.PRIORITIES, crowd.AT_ONCE
    )
    assert [job.priority for job in jobs] != sorted(job.priority for job in jobs)
