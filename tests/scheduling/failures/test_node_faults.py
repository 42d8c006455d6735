"""Which nodes are taken for broken, and which of them are drained."""

from hypothesis import given
from hypothesis import strategies as st

from scheduling.failures.node_faults import MOST_DRAINED, Machine, NodeFault, evidence, faulty_nodes, trial_after

ANN, BOB, CAT = "user 1", "user 2", "user 3"
CPU: tuple[str, ...] = ()


def fault(job_id, submitter=ANN, *, node="n1", certain=False, how="exit_code 1", elsewhere=True):
    return NodeFault(node, job_id, submitter, certain, how, elsewhere)


def fleet(*names, kind=CPU, drained=()):
    return [Machine(name, kind, name in drained) for name in names]


def test_what_the_node_tells_itself_counts_for_each_job():
    assert evidence([fault(1, certain=True), fault(2, certain=True), fault(2, certain=True)]) == 2


def test_all_failing_commands_of_one_submitter_are_one_witness():
    assert evidence([fault(number, ANN) for number in range(100)]) == 1
    assert evidence([fault(1, ANN), fault(2, BOB), fault(3, CAT)]) == 3


def test_a_job_of_which_the_node_told_is_no_second_witness_by_its_submitter():
    assert evidence([fault(1, ANN, certain=True), fault(1, ANN)]) == 1


def test_a_node_that_fails_jobs_of_several_is_drained_and_they_are_named():
    [one] = faulty_nodes([fault(1, ANN), fault(2, BOB), fault(3, CAT, how="disk_full")], fleet("n1", "n2"), needed=3)

    assert (one.node, one.drain, one.job_ids) == ("n1", True, (1, 2, 3))
    assert one.sentence == "Jobs failed on it one after another: 1 (exit_code 1), 2 (exit_code 1) and 3 (disk_full)."


def test_commands_that_did_no_better_elsewhere_drain_nothing_and_operators_are_told():
    broken = [fault(number, f"user {number}", elsewhere=False) for number in range(9)]

    [one] = faulty_nodes(broken, fleet("n1", "n2"), needed=3)

    assert not one.drain
    assert "None of them ran well elsewhere" in one.sentence
    assert faulty_nodes(broken[:2], fleet("n1", "n2"), needed=3) == ()


def test_a_node_on_trial_is_drained_by_one_witness_but_not_by_a_command_that_may_have_failed_by_itself():
    trial = [Machine("n1", CPU, on_trial=True), *fleet("n2")]

    assert [one.drain for one in faulty_nodes([fault(1, certain=True)], trial, needed=3)] == [True]
    assert [one.drain for one in faulty_nodes([fault(1)], trial, needed=3)] == [True]
    assert faulty_nodes([fault(1, elsewhere=False)], trial, needed=3) == ()


def test_each_drain_in_a_row_lasts_twice_as_long_up_to_a_day():
    assert [trial_after(drains, 600) for drains in (1, 2, 3, 9, 10, 1000)] == [600, 1200, 2400, 86_400, 86_400, 86_400]


def test_a_broken_script_of_one_user_drains_nothing():
    assert faulty_nodes([fault(number) for number in range(100)], fleet("n1", "n2"), needed=3) == ()


def test_the_last_of_its_kind_is_only_told_of():
    machines = [*fleet("n1", kind=("H100",)), *fleet("n2", "n3")]

    [one] = faulty_nodes([fault(number, certain=True) for number in range(3)], machines, needed=3)

    assert not one.drain
    assert one.sentence.endswith("It is the last of its kind, so it is not drained.")


def test_one_that_is_drained_does_not_stand_in():
    machines = fleet("n1", "n2", drained=("n2",))

    [one] = faulty_nodes([fault(number, certain=True) for number in range(3)], machines, needed=3)

    assert not one.drain


def test_a_node_that_is_drained_or_unknown_is_left_alone():
    told = [fault(number, certain=True, node=node) for number in range(3) for node in ("n2", "gone")]

    assert faulty_nodes(told, fleet("n1", "n2", drained=("n2",)), needed=3) == ()


def test_many_jobs_are_not_all_named():
    [one] = faulty_nodes([fault(number, certain=True) for number in range(9)], fleet("n1", "n2"), needed=3)

    assert one.sentence.endswith("4 (exit_code 1) and 4 more.")


@given(
    nodes=st.integers(1, 30),
    told=st.lists(st.tuples(st.integers(0, 29), st.integers(0, 9), st.integers(0, 5), st.booleans()), max_size=200),
)
def test_never_is_more_than_a_part_of_the_fleet_drained(nodes, told):
    machines = fleet(*[f"n{number}" for number in range(nodes)])
    faults = [fault(job, str(who), node=f"n{node}", certain=certain) for node, job, who, certain in told]

    drained = [one for one in faulty_nodes(faults, machines, needed=2) if one.drain]

    assert len(drained) <= max(1, nodes * MOST_DRAINED + 1)
    assert len(drained) < nodes or nodes == 0
