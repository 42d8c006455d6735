"""Gangs that may run with the agents or in clusters: in one of them, where they have room."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from scheduling.nodes.gang_places import with_gangs_in_one_place
from scheduling.planning.plan import make_plan
from scheduling.resources import Request
from scheduling.snapshot import NodeView, ProjectView, QueueView, Snapshot, WaitingJob

QUEUES, PROJECTS = (QueueView("default"),), (ProjectView("ml"),)


def node(name: str, cluster: str = "", cpus: int = 4, **fields) -> NodeView:
    return NodeView(name, cpus, 8192, executor="kubernetes" if cluster else "agent", cluster=cluster, **fields)


def waiting(number: int, **asked) -> WaitingJob:
    return WaitingJob(number, "ml", "default", 50, float(number), Request(**asked))


def world(nodes, *jobs) -> Snapshot:
    return Snapshot(waiting=jobs, nodes=tuple(nodes), queues=QUEUES, projects=PROJECTS)


def places(snapshot: Snapshot) -> list[set[str]]:
    cluster_of = {one.name: one.cluster for one in snapshot.nodes}
    plan = make_plan(with_gangs_in_one_place(snapshot), 0.0)
    return [{cluster_of[share.node] for share in planned.shares} for planned in plan.placements]


def test_it_goes_where_it_has_room_though_each_place_has_some():
    nodes = [node("a"), node("k-1", "k"), node("m-1", "m"), node("m-2", "m")]
    assert places(world(nodes, waiting(1, cpus=4, nodes=2))) == [{"m"}]


def test_nothing_changes_where_there_are_no_clusters():
    snapshot = world([node("a"), node("b")], waiting(1, nodes=2))
    assert with_gangs_in_one_place(snapshot) is snapshot


def test_a_silent_cluster_is_chosen_only_if_nobody_else_could():
    nodes = [node("k-1", "k", alive=False), node("k-2", "k", alive=False), node("a"), node("b")]
    gang = waiting(1, cpus=4, nodes=2)
    assert with_gangs_in_one_place(world(nodes, gang)).waiting[0].request.executor == "agent"
    assert with_gangs_in_one_place(world(nodes[:3], gang)).waiting[0].request.executor == "k"


def test_who_asks_for_agents_goes_to_no_cluster():
    nodes = [node("k-1", "k"), node("a")]
    assert places(world(nodes, waiting(1, executor="agent"), waiting(2, executor="kubernetes"))) == [{""}, {"k"}]


clusters = st.sampled_from(["", "k", "m"])


@given(
    where=st.lists(clusters, min_size=1, max_size=6),
    asked=st.lists(
        st.tuples(st.integers(1, 3), st.integers(1, 4), st.sampled_from(["", "agent", "kubernetes", "k"])), max_size=6
    ),
)
def test_no_gang_ever_lies_in_two_places(where, asked):
    nodes = [node(f"n{number}", cluster) for number, cluster in enumerate(where)]
    jobs = [waiting(n, nodes=size, cpus=cpus, executor=executor) for n, (size, cpus, executor) in enumerate(asked, 1)]
    snapshot = world(nodes, *jobs)
    assert all(len(lies_in) == 1 for lies_in in places(snapshot))
    by_id = {job.id: job.request for job in jobs}
    views = {one.name: one for one in nodes}
    for planned in make_plan(with_gangs_in_one_place(snapshot), 0.0).placements:
        executor = by_id[planned.job_id].executor
        assert all(executor in ("", views[share.node].executor, views[share.node].cluster) for share in planned.shares)


def test_the_same_snapshot_gives_the_same_places():
    nodes = [node("a"), node("b"), node("k-1", "k"), node("k-2", "k")]
    snapshot = world(nodes, waiting(1, nodes=2))
    turned = replace(snapshot, nodes=tuple(reversed(nodes)))
    assert with_gangs_in_one_place(snapshot).waiting == with_gangs_in_one_place(turned).waiting
