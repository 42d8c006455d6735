"""What came out of the sweep: a table, and whether it is what this training reaches."""

from rich.table import Table

from local_stack.demo.following import Job, Reasons, seconds_waited, wait_text
from local_stack.demo.sweep import GOOD_ACCURACY
from scheduling.priorities import class_of


def results_table(jobs: list[Job]) -> Table:
    """The best run first."""
    table = _table("Results: accuracy on digits held out from training")
    for heading in ("Run", "On", "Priority", "Accuracy", "Node", "Wait"):
        table.add_column(heading, justify="right" if heading in {"Accuracy", "Wait"} else "left", no_wrap=True)
    for job in sorted(jobs, key=accuracy, reverse=True):
        score = f"{accuracy(job):.4f}" if accuracy(job) else "-"
        table.add_row(job["name"], job["hardware"], class_of(job["priority"]), score, job["node"], wait_text(job))
    return table


def waits_table(jobs: list[Job], reasons: Reasons) -> Table:
    """Why each run waited, those that waited longest first."""
    table = _table("Why they waited")
    table.add_column("Wait", justify="right", no_wrap=True)
    table.add_column("Run", no_wrap=True)
    table.add_column("Because")
    for job in sorted(jobs, key=lambda job: seconds_waited(job) or 0, reverse=True):
        table.add_row(wait_text(job), job["name"], reasons.of(job) or "(started with the first pass)")
    return table


def _table(title: str) -> Table:
    return Table(title=f"\n{title}", title_justify="left", box=None, padding=(0, 1, 0, 0))


def accuracy(job: Job) -> float:
    return float(job["metrics"].get("accuracy", 0))


def shortcomings(jobs: list[Job], expected: int) -> list[str]:
    """What is wrong with these results, a sentence each; empty when all is well."""
    found = unfinished(jobs, expected)
    best = max(map(accuracy, jobs), default=0)
    if best < GOOD_ACCURACY:
        found.append(f"The best accuracy is {best:.4f}; this training reaches {GOOD_ACCURACY} and more.")
    return found


def unfinished(jobs: list[Job], expected: int) -> list[str]:
    """Which runs are missing or did not complete, and why, a sentence each."""
    found = [f"{expected} runs were submitted, and the platform knows {len(jobs)}."] if len(jobs) != expected else []
    others = [job for job in jobs if job["state"] != "completed"]
    return found + [f"Job {job['id']} ({job['name']}) is {job['state']}: {_why(job)}" for job in others]


def _why(job: Job) -> str:
    reasons = " ".join(reason["sentence"] for reason in job["reasons"])
    return job["message"] or reasons or "it was still on its way when the time was up."
