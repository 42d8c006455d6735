"""What holds a job back before anybody looks at nodes: its queue, people, its workload, its dependencies, its own not-before."""

from collections.abc import Container, Mapping

from scheduling.policies import POLICIES
from scheduling.reasons import HOLDERS_SHOWN, Reason, ReasonCode, listed, quantity, spelt_moment
from scheduling.snapshot import QueueView, WaitingJob

NOTHING_FAILED: Mapping[int, tuple[int, ...]] = {}


def starts_nothing(queue: QueueView) -> bool:
    """Whether the queue starts no job, however few it runs."""
    return queue.state == "paused" or bool(queue.policy and queue.policy not in POLICIES)


def queue_holds(queue: QueueView, running: int) -> tuple[Reason, ...]:
    """Why the queue starts nothing now. A draining queue starts the jobs that it has."""
    reasons = []
    if queue.state == "paused":
        reasons.append(Reason(ReasonCode.QUEUE_PAUSED, f"Queue {queue.name} is paused."))
    if queue.max_running is not None and running >= queue.max_running:
        allowed = quantity("running_jobs", queue.max_running)
        sentence = f"Queue {queue.name} allows {allowed} at once ({running} now)."
        reasons.append(
            Reason(
                ReasonCode.QUEUE_LIMIT, sentence, {"running_jobs": running + 1 - queue.max_running}, subject=queue.name
            )
        )
    if queue.policy and queue.policy not in POLICIES:
        sentence = (
            f"Queue {queue.name} asks for the policy {queue.policy!r}, which does not exist. "
            f"Known are: {', '.join(sorted(POLICIES))}."
        )
        reasons.append(Reason(ReasonCode.QUEUE_POLICY, sentence))
    return tuple(reasons)


def is_held(job: WaitingJob, now: float) -> bool:
    """Whether `job_holds` has anything to say."""
    return bool(
        job.held or job.stopped or job.unmet or job.broken or (job.not_before is not None and job.not_before > now)
    )


def job_holds(
    job: WaitingJob,
    now: float,
    failed: Mapping[int, tuple[int, ...]] = NOTHING_FAILED,
    unfailed: Container[int] = frozenset(),
) -> tuple[Reason, ...]:
    """Why the job itself may not start now.

    `failed` are the jobs at the root, for waiting jobs that will never run because of them (`dependencies.failed_roots`);
    `unfailed` are those of them that were to fail.
    """
    reasons = []
    if job.held:
        reasons.append(Reason(ReasonCode.HELD, f"Held by {job.held}: it does not start before it is released."))
    if job.stopped:
        reasons.append(Reason(job.stopped_by, job.stopped))
    dead = tuple([needed for needed in job.unmet if needed in failed]) if failed else ()
    unmet = tuple([needed for needed in job.unmet if needed not in dead]) if dead else job.unmet
    if unmet:
        reasons.append(Reason(ReasonCode.DEPENDENCY, _waits_for(job, unmet), held_by=unmet[:HOLDERS_SHOWN]))
    if job.broken:
        reasons.append(Reason(ReasonCode.DEPENDENCY_FAILED, _in_vain(job), held_by=job.broken[:HOLDERS_SHOWN]))
    if dead:
        reasons.append(_dead_chain(dead, failed, unfailed))
    if job.not_before is not None and job.not_before > now:
        moment = spelt_moment(job.not_before, to_the_second=True)
        reasons.append(Reason(ReasonCode.NOT_BEFORE, f"May not start before {moment}."))
    return tuple(reasons)


def _waits_for(job: WaitingJob, unmet: tuple[int, ...]) -> str:
    """Waits for jobs 7 and 9 to complete, for job 3 to end and for job 4 to fail."""
    end, fail = set(job.needs_end), set(job.needs_failure)
    complete = tuple(one for one in unmet if one not in end and one not in fail)
    kinds = (
        ("complete", complete),
        ("end", tuple(one for one in unmet if one in end)),
        ("fail", tuple(one for one in unmet if one in fail)),
    )
    return f"Waits {listed(f'for {_jobs(ids)} to {verb}' for verb, ids in kinds if ids)}."


def _in_vain(job: WaitingJob) -> str:
    """Of dependencies that can no longer come true."""
    fail = set(job.needs_failure)
    lost, unfailed = (tuple(one for one in job.broken if (one in fail) is wanted) for wanted in (False, True))
    were = "was" if len(lost) == 1 else "were"
    sentences = []
    if lost:
        sentences.append(f"Depends on {_jobs(lost)}, which failed or {were} cancelled.")
    if unfailed:
        sentences.append(f"Was to start once {_jobs(unfailed)} had failed, which can no longer happen.")
    return " ".join(sentences)


def _dead_chain(dead: tuple[int, ...], failed: Mapping[int, tuple[int, ...]], unfailed: Container[int]) -> Reason:
    """For example: "Depends on job 3, which cannot run: job 1 failed or was cancelled."."""
    roots = tuple(dict.fromkeys(root for needed in dead for root in failed[needed]))
    lost, needed_to_fail = (tuple(one for one in roots if (one in unfailed) is wanted) for wanted in (False, True))
    were = "was" if len(lost) == 1 else "were"
    causes = [f"{_jobs(lost)} failed or {were} cancelled"] if lost else []
    if needed_to_fail:
        causes.append(f"it was to start once {_jobs(needed_to_fail)} had failed")
    sentence = f"Depends on {_jobs(dead)}, which cannot run: {listed(causes)}."
    return Reason(ReasonCode.DEPENDENCY_FAILED, sentence, held_by=roots[:HOLDERS_SHOWN])


def _jobs(ids: tuple[int, ...]) -> str:
    shown = [str(one) for one in ids[:HOLDERS_SHOWN]]
    more = len(ids) - len(shown)
    word = "job" if len(ids) == 1 else "jobs"
    return f"{word} {listed([*shown, f'{more} more'] if more else shown)}"
