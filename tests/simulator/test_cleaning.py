"""What cannot be replayed is dropped, what is assumed is said, and all of it is counted."""

import pytest

from simulator.cleaning import CleaningRules, MissingWalltime, Overrun, TooWide, clean
from simulator.trace import SimulationError, TraceJob


def trace_job(run=10, walltime=20, cpus=1):
    return TraceJob("a", 2, 0, run, walltime, cpus=cpus)


def cleaned(*jobs, **rules):
    return clean(jobs, CleaningRules(**rules))


def test_jobs_without_a_run_time_or_processors_are_dropped():
    cleaning = cleaned(trace_job(), trace_job(run=None), trace_job(run=0), trace_job(cpus=0))

    assert len(cleaning.jobs) == 1
    assert cleaning.sentence() == "4 jobs read: 2 dropped without a run time, 1 dropped without processors"


def test_jobs_that_never_started_are_dropped_in_words_of_their_own():
    never = TraceJob("b", 3, 0, None, never_started=True, cpus=1)

    cleaning = cleaned(trace_job(), never, trace_job(run=0))

    assert len(cleaning.jobs) == 1
    assert cleaning.sentence() == "3 jobs read: 1 dropped that never started, 1 dropped without a run time"


@pytest.mark.parametrize(("rule", "kept"), [(TooWide.REFUSE, 2), (TooWide.DROP, 1)])
def test_jobs_that_the_cluster_could_never_hold_are_dropped_where_the_rules_say_so(rule, kept):
    wide = trace_job(cpus=9)

    cleaning = clean([trace_job(), wide], CleaningRules(too_wide=rule), fits=lambda job: job is not wide)

    assert (len(cleaning.jobs), cleaning.too_wide) == (kept, 2 - kept)


def test_a_program_is_told_the_same_numbers():
    counts = cleaned(trace_job(), trace_job(run=0)).counts()

    assert (counts["read"], counts["without_run"], counts["never_started"]) == (2, 1, 0)
    assert "jobs" not in counts


def test_jobs_are_numbered_after_cleaning():
    assert [job.number for job in cleaned(trace_job(), trace_job(run=0), trace_job()).jobs] == [0, 1]


def test_who_ran_too_long_is_stopped_at_the_walltime():
    cleaning = cleaned(trace_job(run=30))

    assert (cleaning.jobs[0].run_s, cleaning.jobs[0].walltime_s, cleaning.stopped) == (20, 20, 1)


def test_or_gets_more_walltime():
    cleaning = cleaned(trace_job(run=30), overrun=Overrun.EXTEND)

    assert (cleaning.jobs[0].run_s, cleaning.jobs[0].walltime_s, cleaning.extended) == (30, 30, 1)


@pytest.mark.parametrize("walltime", [None, 0])
def test_one_job_without_a_walltime_is_dropped(walltime):
    cleaning = cleaned(trace_job(), trace_job(walltime=walltime))

    assert (len(cleaning.jobs), cleaning.without_walltime) == (1, 1)


def test_a_job_that_is_known_to_have_had_no_limit_is_kept_without_one():
    cleaning = cleaned(trace_job(), TraceJob("b", 3, 0, 99, unlimited=True, cpus=1))

    assert [(job.run_s, job.walltime_s) for job in cleaning.jobs] == [(10, 20), (99, None)]
    assert cleaning.sentence() == "2 jobs read: 1 kept without a limit"


def test_who_says_what_becomes_of_jobs_without_a_walltime_says_it_of_those_too():
    cleaning = cleaned(TraceJob("b", 3, 0, 99, unlimited=True, cpus=1), missing_walltime=3600.0)

    assert [job.walltime_s for job in cleaning.jobs] == [3600]


def test_where_no_job_has_a_walltime_it_is_the_run_time():
    cleaning = cleaned(trace_job(walltime=None), trace_job(run=7, walltime=None))

    assert [job.walltime_s for job in cleaning.jobs] == [10, 7]
    assert cleaning.assumed == 2


def test_where_walltimes_are_extended_a_missing_one_is_too():
    assert [job.walltime_s for job in cleaned(trace_job(), trace_job(walltime=None), overrun=Overrun.EXTEND).jobs] == [
        20,
        10,
    ]


def test_a_walltime_can_be_given_to_those_without():
    cleaning = cleaned(trace_job(), trace_job(walltime=None), missing_walltime=3600)

    assert cleaning.jobs[1].walltime_s == 3600


def test_the_rule_can_be_named():
    cleaning = cleaned(trace_job(), trace_job(walltime=None), missing_walltime=MissingWalltime.RUN)

    assert cleaning.jobs[1].walltime_s == 10


def test_a_walltime_with_a_fraction_is_rounded_up():
    assert cleaned(trace_job(walltime=20.5)).jobs[0].walltime_s == 21


def test_a_trace_of_which_nothing_is_left_is_refused():
    with pytest.raises(SimulationError, match=r"No job is left to replay: 1 jobs read: 1 dropped without a run time\."):
        cleaned(trace_job(run=0))
