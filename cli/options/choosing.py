"""Which jobs a command is about: those whose numbers were typed, or those that match what was typed."""

import sys
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from cli.client.requests import Row, Server
from cli.errors import RefusedError, UsageError
from cli.options.job_filters import JobFilters
from cli.options.known_values import refuse_unknown_names
from cli.output import note, print_json, visible

JOBS_NAMED = 20
REFUSALS_NAMED = 20


@dataclass(frozen=True, kw_only=True)
class Chosen(JobFilters):
    """Which jobs, where no numbers are typed; and whether to ask before."""

    everything: Annotated[bool, typer.Option("--all", help="All that I may change, if nothing else is said.")] = False
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether that is meant.")] = False
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Only say what would become of it.")] = False


def selection(job_ids: list[int] | None, chosen: Chosen) -> dict[str, Any]:
    """Which jobs, as the server is told; raises `UsageError` when nothing was said, or too much."""
    conditions = chosen.conditions()
    if job_ids:
        if conditions or chosen.everything:
            raise UsageError("give either the numbers of jobs or what they have in common, not both.")
        return {"ids": job_ids}
    if not conditions and not chosen.everything:
        raise UsageError("say which jobs: their numbers, or what they have in common, such as --state or --queue.")
    return {"filter": conditions} if conditions else {"all": True}


def ask_many(
    server: Server, path: str, which: dict[str, Any], chosen: Chosen, body: dict[str, Any], words: "Words"
) -> Any:
    """What became of it, once it is certain that these jobs are meant. Raises when none match, because of a wrong name."""
    answer = _request(server, path, which, chosen, body, words)
    if not answer["matched"]:
        refuse_unknown_names(
            server, project=chosen.project, queue=chosen.queue, node=chosen.node, workload=chosen.workload
        )
    return answer


def _request(
    server: Server, path: str, which: dict[str, Any], chosen: Chosen, body: dict[str, Any], words: "Words"
) -> Any:
    send = server.patch if words.path == "" else server.post
    if not chosen.dry_run and not chosen.yes and "ids" not in which:
        foretold = send(path, {**which, **body, "dry_run": True})
        if not foretold["changed"]:
            return {**foretold, "dry_run": False}
        which = confirmed(foretold, which, words)
    return send(path, {**which, **body, **({"dry_run": True} if chosen.dry_run else {})})


@dataclass(frozen=True, slots=True)
class Words:
    """What is asked, and what then is done; `path` is what it is called in the address."""

    ask: str
    done: str
    path: str


def confirmed(answer: Row, which: dict[str, Any], words: Words) -> dict[str, Any]:
    """The selection without jobs that nobody has seen; raises when the user says no, or cannot be asked."""
    question = f"{words.ask} {amount(answer['changed'])} ({named(answer['jobs'])})?"
    if not sys.stdin.isatty():
        raise UsageError(f"{question} There is nobody to ask: add --yes if that is meant, or --dry-run to look.")
    if not typer.confirm(question, err=True):
        raise RefusedError(f"no job was {words.done}")
    return {"filter": {**which.get("filter", {}), "id_max": answer["newest"]}}


def report(answer: Row, words: Words, *, as_json: bool) -> None:
    """Say what became of it; those that refuse are named, and make it a refusal."""
    if as_json:
        print_json(answer)
    elif answer["dry_run"]:
        print(f"would be {words.done}: {amount(answer['changed'])}{_which(answer['jobs'])}")
    else:
        print(f"{amount(answer['changed'])} {words.done}{_which(answer['jobs'])}")
    if not answer["matched"]:
        note("no jobs match")
    if answer["unchanged"]:
        note(f"{amount(answer['unchanged'])} needed no change")
    if answer["refused"]:
        more = answer["refused"] - REFUSALS_NAMED
        lines = [f"job {one['job']}: {one['reason']}" for one in answer["refusals"][:REFUSALS_NAMED]]
        raise RefusedError(*lines, *([f"and {more} more"] if more > 0 else []))


def amount(number: int) -> str:
    return "1 job" if number == 1 else f"{number:,} jobs"


def named(job_ids: list[int]) -> str:
    shown = ", ".join(str(one) for one in job_ids[:JOBS_NAMED])
    return visible(f"{shown}, ..." if len(job_ids) > JOBS_NAMED else shown)


def _which(job_ids: list[int]) -> str:
    return f": {named(job_ids)}" if job_ids else ""
