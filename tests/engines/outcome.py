"""What came of it: a table, and whether it is what was to be shown."""

from collections.abc import Sequence

from rich.table import Table

from local_stack.demo.following import Job
from local_stack.demo.results import accuracy, unfinished
from scheduling.executors import AGENT, ANY
from tests.engines.clusters import KINDS, ran_on

RIGHT_ALIGNED = {"Accuracy", "Seconds"}


def table(jobs: Sequence[Job]) -> Table:
    """A row for each job, in the order of their submission."""
    made = Table(box=None, padding=(0, 1, 0, 0))
    for heading in ("Job", "Asked for", "Ran on", "Node", "State", "Accuracy", "Seconds"):
        made.add_column(heading, justify="right" if heading in RIGHT_ALIGNED else "left", no_wrap=True)
    for job in jobs:
        node = job["node"] or ""
        score = f"{accuracy(job):.4f}" if accuracy(job) else ""
        seconds = f"{job['run_seconds']:.1f}" if job["run_seconds"] is not None else ""
        made.add_row(
            job["name"], job["executor"], ran_on(node) if node else "", node, job["state"], score, seconds
        )  # fmt: skip
    return made


def shortcomings(jobs: list[Job], expected: int) -> list[str]:
    """What is wrong, a sentence each; empty when all is well."""
    found = unfinished(jobs, expected)
    silent = [job for job in jobs if job["state"] == "completed" and not accuracy(job)]
    found += [f"Job {job['id']} ({job['name']}) completed and told no accuracy." for job in silent]
    used = {ran_on(job["node"]) for job in jobs if job["node"]}
    found += [f"Nothing ran on {executor}." for executor in (AGENT, *KINDS.values()) if executor not in used]
    strays = [job for job in jobs if job["node"] and job["executor"] not in {ANY, ran_on(job["node"])}]
    found += [f"Job {job['id']} asked for {job['executor']} and ran on {job['node']}." for job in strays]
    return found
