"""One trace, cut into windows, replayed with different settings."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduling.planning.plan import make_plan
from simulator.cleaning import CleaningRules, TooWide
from simulator.cluster import pool
from simulator.experiment import Window, prepare
from simulator.settings import Backfill, InvalidError, Preemption, Rules, RunTimes, Settings, checked, usual_run_times
from simulator.trace import SimulationError

TRACE = "job_id,submit_s,duration_s,cpus,requested_walltime_s\n" + "".join(
    f"{number},{number * 10},20,1,60\n" for number in range(6)
)


@pytest.fixture
def trace(tmp_path):
    path = tmp_path / "trace.csv"
    path.write_text(TRACE)
    return str(path)


def test_without_a_window_all_jobs_are_replayed(trace):
    assert prepare(trace, processors=4).run(Settings()).metrics.jobs == 6


def test_each_window_starts_on_an_empty_cluster(trace):
    """On one processor the second of a window's jobs waits 10 s, the third 20 s."""
    experiment = prepare(trace, processors=1, windows=[Window(0, 3), Window(3, 3)])

    result = experiment.run(Settings())

    assert (experiment.jobs, result.metrics.jobs) == (6, 6)
    assert (result.metrics.mean_wait_s, result.metrics.max_wait_s) == (10, 20)
    assert [one.job.number for one in result.outcome.jobs] == [0, 1, 2]


def test_a_synthetic_trace_needs_no_file_and_no_cluster():
    assert prepare("synthetic:20").cluster.size == 128
    assert prepare("synthetic:20", processors=64).cluster.size == 64


SWF = "".join(
    f"{number} {number * 10} -1 20 -1 -1 -1 {number} 60 -1 1 -1 -1 -1 -1 -1 -1 -1\n" for number in range(1, 5)
)


def test_without_a_cluster_it_is_as_large_as_the_header_says(written):
    experiment = prepare(str(written("; MaxProcs: 4\n" + SWF)))

    assert experiment.cluster == pool(4)
    assert experiment.said == "4 jobs read; a pool of 4 processors, as MaxProcs in its header says"


@pytest.mark.parametrize("given", [{"processors": 6}, {"nodes": "1x6x0"}])
def test_who_names_a_cluster_gets_that_one_whatever_the_header_says(written, given):
    experiment = prepare(str(written("; MaxProcs: 4\n" + SWF)), **given)

    assert (experiment.cluster.size, experiment.said) == (6, "4 jobs read")


def test_without_a_header_that_says_it_the_cluster_has_to_be_named(written):
    with pytest.raises(SimulationError, match=r"Say how large the cluster is.*only a header of SWF with MaxProcs"):
        prepare(str(written(SWF)))


@pytest.mark.parametrize("given", [{"processors": 2}, {"nodes": "2x1x0"}])
def test_jobs_that_are_too_wide_may_be_dropped(written, given):
    experiment = prepare(str(written(SWF)), cleaning=CleaningRules(too_wide=TooWide.DROP), **given)

    assert [job.trace.id for job in experiment.windows[0]] == ["1", "2"]
    assert experiment.said == "4 jobs read: 2 dropped that are too wide for the cluster"
    assert experiment.counts["too_wide"] == 2


def test_what_was_moved_and_passed_over_is_said(written):
    part = SWF.splitlines()[0].replace("60 -1 1 ", "60 -1 2 ") + "\n"

    experiment = prepare(str(written("".join(reversed(SWF.splitlines(keepends=True))) + part)), processors=4)

    assert experiment.said == (
        "4 jobs read; lines that repeat parts of jobs, passed over: 1; "
        "lines out of order, now sorted by the time of submission: 3"
    )
    assert (experiment.counts["parts"], experiment.counts["out_of_order"]) == (1, 3)


ROWS = st.lists(
    st.tuples(st.integers(0, 200), st.integers(1, 60), st.integers(1, 4), st.integers(1, 90)),
    unique_by=lambda row: row[0],
    min_size=1,
    max_size=15,
)


@settings(max_examples=30)
@given(ROWS.flatmap(lambda rows: st.tuples(st.just(rows), st.permutations(rows))))
def test_the_order_of_the_lines_changes_no_figure(tmp_path_factory, rows_and_shuffled):
    def figures(rows):
        path = tmp_path_factory.mktemp("shuffled") / "trace.csv"
        lines = [f"{submit},{submit},{run},{cpus},{walltime}\n" for submit, run, cpus, walltime in rows]
        path.write_text("job_id,submit_s,duration_s,cpus,requested_walltime_s\n" + "".join(lines))
        return prepare(str(path), processors=4).run(Settings()).metrics

    rows, shuffled = rows_and_shuffled
    assert figures(shuffled) == figures(sorted(rows))


@pytest.mark.parametrize("text", ["", "5", "a:b", "1:0", "-1:5", ":5"])
def test_a_window_that_is_none_is_refused(text):
    with pytest.raises(SimulationError, match="write START:COUNT"):
        Window.parse(text)


def test_a_window_beyond_the_last_job_is_refused(trace):
    with pytest.raises(SimulationError, match="6 can be replayed"):
        prepare(trace, processors=4, windows=[Window(4, 3)])


@pytest.mark.parametrize("given", [{}, {"processors": 4, "nodes": "1x4x0"}])
def test_the_cluster_is_named_once(trace, given):
    with pytest.raises(SimulationError, match="Say how large the cluster is"):
        prepare(trace, **given)


@pytest.mark.parametrize(
    "rules",
    [Rules(policy="luck"), Rules(placement="luck"), Rules(preemption=Preemption(strategies=("luck",)))],
)
def test_names_that_nobody_knows_are_refused_with_those_that_there_are(rules):
    with pytest.raises(InvalidError, match=r"There is no .* 'luck'\. Known are: "):
        checked(Settings(rules))


def test_responsive_goes_by_what_is_learned():
    assert usual_run_times("responsive") is RunTimes.LEARNED
    assert usual_run_times("sjf") is RunTimes.REQUESTED


def planner_asked(monkeypatch):
    """Notes whenever the platform's planner is asked."""
    asked: list[float] = []

    def planner(snapshot, now):
        asked.append(now)
        return make_plan(snapshot, now)

    monkeypatch.setattr("simulator.experiment.make_plan", planner)
    return asked


@pytest.mark.parametrize("policy", ["fifo", "backfill", "sjf", "edf", "responsive", "priority"])
def test_on_a_pool_processors_are_counted_where_that_gives_what_the_planner_would(trace, monkeypatch, policy):
    asked = planner_asked(monkeypatch)
    experiment = prepare(trace, processors=1)

    counted = experiment.run(Settings(Rules(policy=policy)))

    assert asked == []
    assert counted == experiment.run(Settings(Rules(policy=policy)), planner=make_plan)


@pytest.mark.parametrize(
    "rules",
    [
        Rules(policy="fairshare"),
        Rules(policy="multifactor"),
        Rules(policy="priority", ageing_points_per_hour=1),
        Rules(policy="fifo", backfill=Backfill.CONSERVATIVE),
        Rules(policy="fifo", reserve_depth=2),
        Rules(policy="responsive", overdue_depth=2),
        Rules(policy="fifo", preemption=Preemption(strategies=("priority",))),
    ],
)
def test_where_counting_would_not_do_the_planner_is_asked(trace, monkeypatch, rules):
    asked = planner_asked(monkeypatch)

    prepare(trace, processors=1).run(Settings(rules))

    assert asked


def test_on_nodes_the_planner_is_asked(trace, monkeypatch):
    asked = planner_asked(monkeypatch)

    prepare(trace, nodes="1x4x0").run(Settings())

    assert asked
