"""What Kubernetes says of pods that ended, as servers and kubelets of several versions do, in the platform's reasons."""

import pytest

from executors.engine import Phase
from executors.kubernetes import ends, observing
from executors.kubernetes.ends import Patience, Seen
from executors.kubernetes.observing import Parts
from scheduling.lifecycle import EndReason

NOW = 1_700_000_000.0
THEN = "2023-11-14T22:00:00Z"
PATIENCE = Patience(image=60, room=60)


def job(name="w", *, members=1, indexed=False, stop_by="", conditions=(), **spec):
    notes = {"trainyard/members": str(members), **({"trainyard/stop-by": stop_by} if stop_by else {})}
    spec |= {"completionMode": "Indexed"} if indexed else {}
    return {
        "metadata": {"name": name, "labels": {"trainyard/workload": "w"}, "annotations": notes, "creationTimestamp": THEN},
        "spec": spec, "status": {"conditions": list(conditions)},
    }  # fmt: skip


def pod(  # noqa: PLR0913
    *,
    rank=0,
    code=None,
    told="",
    running=False,
    waiting="",
    leaving=False,
    reporter=None,
    index=None,
    created=THEN,
    **status,
):
    labels = {"trainyard/workload": "w"} | ({} if index is not None else {"trainyard/rank": str(rank)})
    notes = {} if index is None else {"batch.kubernetes.io/job-completion-index": str(index)}
    state = {}
    if code is not None:
        state = {
            "terminated": {
                "exitCode": code,
                "reason": told or ("Completed" if code == 0 else "Error"),
                "startedAt": THEN,
                "finishedAt": "2023-11-14T22:10:00Z",
            }
        }
    elif running:
        state = {"running": {"startedAt": THEN}}
    elif waiting:
        state = {"waiting": {"reason": waiting, "message": "in its own words"}}
    statuses = [{"name": "main", "state": state}] if state else []
    statuses += [{"name": "reporter", "state": reporter}] if reporter else []
    return {
        "metadata": {"name": f"w-{rank}-x", "labels": labels, "annotations": notes, "creationTimestamp": created, **({"deletionTimestamp": THEN} if leaving else {})},
        "spec": {"nodeName": "n", "terminationGracePeriodSeconds": 30},
        "status": {"phase": "Running", "containerStatuses": statuses, **status},
    }  # fmt: skip


def disrupted(reason):
    return [{"type": "DisruptionTarget", "status": "True", "reason": reason, "message": "in its own words"}]


@pytest.mark.parametrize(
    ("its", "reason", "charged"),
    [
        (pod(code=0, phase="Succeeded"), EndReason.COMPLETED, True),
        (pod(code=2, phase="Failed"), EndReason.EXIT_CODE, True),
        (pod(code=137, told="OOMKilled", phase="Failed"), EndReason.OUT_OF_MEMORY, True),
        (pod(code=128, told="StartError"), EndReason.START_FAILED, True),
        (pod(code=127, told="ContainerCannotRun"), EndReason.START_FAILED, True),
        (pod(code=143, phase="Failed", reason="DeadlineExceeded"), EndReason.TIMEOUT, True),
        (pod(phase="Failed", reason="DeadlineExceeded"), EndReason.TIMEOUT, True),
        (pod(code=137, phase="Failed", reason="Evicted", message="The node was low on resource: memory."), EndReason.PREEMPTED, False),
        (pod(phase="Failed", reason="Evicted", message='Usage of EmptyDir volume "run" exceeds the limit "1Gi".'), EndReason.OUTPUT_LIMIT, True),
        (pod(code=143, conditions=disrupted("PreemptionByScheduler")), EndReason.PREEMPTED, False),
        (pod(code=143, conditions=disrupted("EvictionByEvictionAPI")), EndReason.PREEMPTED, False),
        (pod(code=143, conditions=disrupted("TerminationByKubelet")), EndReason.PREEMPTED, False),
        (pod(code=137, conditions=disrupted("DeletionByTaintManager")), EndReason.NODE_LOST, False),
        (pod(phase="Failed", conditions=disrupted("DeletionByPodGC")), EndReason.NODE_LOST, False),
        (pod(code=0, conditions=disrupted("PreemptionByScheduler")), EndReason.COMPLETED, True),
        (pod(phase="Failed", reason="Terminated", message="Pod was terminated in response to imminent node shutdown."), EndReason.NODE_LOST, False),
        (pod(phase="Failed", reason="NodeLost"), EndReason.NODE_LOST, False),
        (pod(phase="Failed", reason="OutOfcpu", message="Pod Node didn't have enough resource: cpu"), EndReason.PREEMPTED, False),
        (pod(phase="Failed", reason="UnexpectedAdmissionError"), EndReason.PREEMPTED, False),
        (pod(phase="Failed"), EndReason.NODE_LOST, False),
        (pod(code=143, leaving=True), EndReason.PREEMPTED, False),
    ],
)  # fmt: skip
def test_each_end_has_its_reason(its, reason, charged):
    found = ends.member(Seen(job(), its), now=NOW, patience=PATIENCE)
    assert (found.phase, found.reason, found.charged) == (Phase.ENDED, reason, charged)


def test_a_stop_that_was_asked_is_told_by_its_code_whatever_ended_the_pod():
    asked = job(stop_by="1699999999")
    for its in (
        pod(code=143, phase="Failed", reason="DeadlineExceeded"),
        pod(code=143, leaving=True),
        pod(code=143, conditions=disrupted("PreemptionByScheduler")),
    ):
        found = ends.member(Seen(asked, its), now=NOW, patience=PATIENCE)
        assert (found.reason, found.exit_code, found.charged) == (EndReason.EXIT_CODE, 143, True)


@pytest.mark.parametrize(
    ("its", "words"),
    [
        (pod(running=True, leaving=True), "being deleted"),
        (pod(running=True, phase="Unknown"), "whether it still runs is not known"),
        (pod(running=True, conditions=[{"type": "Ready", "status": "Unknown"}]), "whether it still runs is not known"),
    ],
)
def test_what_is_not_known_to_have_ended_has_not_ended(its, words):
    found = ends.member(Seen(job(), its), now=NOW, patience=PATIENCE)
    assert found.phase is Phase.RUNNING
    assert words in found.message


def test_an_older_kubelet_that_says_failed_before_it_has_killed_is_waited_for():
    dying = pod(
        running=True,
        phase="Failed",
        reason="DeadlineExceeded",
        conditions=[{"type": "Ready", "status": "False", "lastTransitionTime": "2023-11-14T22:13:00Z"}],
    )
    asked = Seen(job(stop_by="1"), dying)
    assert ends.member(asked, now=NOW, patience=PATIENCE).phase is Phase.RUNNING
    assert ends.member(asked, now=NOW + 200, patience=PATIENCE).phase is Phase.ENDED


def test_reports_on_their_way_keep_an_end_back_for_some_seconds():
    its = pod(code=0, reporter={"running": {"startedAt": THEN}})
    ended_at = 1_699_999_800.0
    assert ends.member(Seen(job(), its), now=ended_at + 1, patience=PATIENCE).phase is Phase.RUNNING
    assert ends.member(Seen(job(), its), now=ended_at + 9, patience=PATIENCE).phase is Phase.ENDED


@pytest.mark.parametrize(
    ("seen", "phase", "reason"),
    [
        (Seen(job(suspend=True), None), Phase.WAITING, None),
        (Seen(job(), None), Phase.WAITING, None),
        (Seen(job(), None, refusal="exceeded quota: q"), Phase.ENDED, EndReason.PREEMPTED),
        (Seen(job(stop_by="1"), None), Phase.ENDED, EndReason.CANCELLED),
        (Seen(job(conditions=[{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]), None), Phase.ENDED, EndReason.NODE_LOST),
        (Seen(job(conditions=[{"type": "Complete", "status": "True"}]), None), Phase.ENDED, EndReason.COMPLETED),
        (Seen(None, None), Phase.ENDED, EndReason.PREEMPTED),
        (Seen(job(), pod(waiting="ContainerCreating")), Phase.WAITING, None),
        (Seen(job(), pod(waiting="CreateContainerConfigError")), Phase.ENDED, EndReason.START_FAILED),
        (Seen(job(), pod(running=True), pod_gone=True), Phase.ENDED, EndReason.NODE_LOST),
        (Seen(job(), pod(), pod_gone=True), Phase.ENDED, EndReason.PREEMPTED),
    ],
)  # fmt: skip
def test_what_has_not_begun_waits_or_is_over(seen, phase, reason):
    found = ends.member(seen, now=NOW, patience=PATIENCE)
    assert (found.phase, found.reason) == (phase, reason)


def together(jobs, *its, gone=()):
    known = {"w": Parts({one["metadata"]["name"]: one for one in jobs}, {}, list(its), list(gone))}
    return observing.observed(known, {}, now=NOW, patience=PATIENCE).get("w")


def test_an_indexed_job_s_members_are_told_apart_by_their_index():
    found = together([job(members=2, indexed=True)], pod(index=0, running=True), pod(index=1, code=3))
    assert (found.phase, found.reason, found.exit_code, found.rank) == (Phase.ENDED, EndReason.EXIT_CODE, 3, 1)


def test_of_a_gang_the_member_whose_own_end_it_was_is_named():
    deleted = pod(rank=0, code=137, leaving=True)
    found = together([job(members=2), job("w-1", members=2)], deleted, pod(rank=1, code=3))
    assert (found.reason, found.exit_code, found.rank, found.charged) == (EndReason.EXIT_CODE, 3, 1, True)


def test_a_gang_that_was_asked_to_stop_is_over_with_its_last_member():
    jobs = [job(members=2, stop_by="1"), job("w-1", members=2, stop_by="1")]
    assert together(jobs, pod(rank=0, code=143), pod(rank=1, running=True)).phase is Phase.RUNNING
    assert together(jobs, pod(rank=0, code=143), pod(rank=1, code=0)).phase is Phase.ENDED


def test_a_pod_that_a_server_makes_in_place_of_a_deleted_one_is_no_second_life():
    again = pod(rank=0, running=True, created="2023-11-14T22:12:00Z")
    found = together([job()], again, gone=[pod(rank=0, code=137, leaving=True)])
    assert (found.phase, found.reason, found.charged) == (Phase.ENDED, EndReason.PREEMPTED, False)


def test_half_a_gang_is_none_yet_and_later_nobody_s_fault():
    young = job("w-1", members=2)
    young["metadata"]["creationTimestamp"] = "2023-11-14T22:13:00Z"
    assert together([young]) is None
    late = together([job("w-1", members=2)])
    assert (late.phase, late.reason, late.charged) == (Phase.ENDED, EndReason.PLATFORM_ERROR, False)
