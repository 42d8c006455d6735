"""Quotas as accounts and QOS of a Slurm: one of each for a project, of the same name, and an association that ties them together."""

import getpass
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from django.conf import settings

from clusters.slurm.commands import CommandClient
from clusters.slurm.errors import SlurmError, SlurmRefusedError
from quotas.providers.base import NO_LIMITS, CountsByItself, ProviderError, Standing, wanted
from scheduling.native_quotas import NativeAmounts

TRES = {"cpus": "cpu", "memory_mb": "mem", "gpus": "gres/gpu"}
"""Memory in MB on both sides."""
A_QOS = re.compile(r"\bQOS=(?P<name>[^\s(]+)\(\d+\)(?P<rest>.*)")
AN_ACCOUNT = re.compile(r"\bAccount=(?P<account>\S+) UserName=(?P<user>[^\s(]*)")
COUNTED = re.compile(r"(?P<name>[^=,]+)=(?P<limit>[^(,]*)\((?P<used>\d+)\)")
T = TypeVar("T")


@dataclass(slots=True)
class Books:
    """What the controller holds in memory: each QOS with its limits and what is used of them, and who is in which account."""

    qos: dict[str, tuple[NativeAmounts, NativeAmounts]] = field(default_factory=dict)
    users: dict[str, set[str]] = field(default_factory=dict)


def name_of(project: str) -> str:
    """Of account and QOS; bridges name the same account for a project's jobs."""
    return f"{settings.SLURM_ACCOUNT_PREFIX}{project}"


def read_books(said: str) -> Books:
    """Of `scontrol --oneliner show assoc_mgr`. Limits read `cpu=8(2)`: the limit, and in brackets what is used; N is none."""
    books = Books()
    for line in said.splitlines():
        if found := A_QOS.search(line):
            rest = found["rest"]
            counted = {one["name"]: one for one in COUNTED.finditer(_word(rest, "GrpTRES"))}
            jobs = COUNTED.search(f"jobs={_word(rest, 'GrpJobs')}")
            of = {name: counted.get(tres) for name, tres in TRES.items()} | {"running_jobs": jobs}
            hard = {name: int(one["limit"]) for name, one in of.items() if one and one["limit"].isdigit()}
            used = {name: int(one["used"]) for name, one in of.items() if one}
            books.qos[found["name"]] = (NativeAmounts(**hard), NativeAmounts(**used))
        elif found := AN_ACCOUNT.search(line):
            books.users.setdefault(found["account"], set()).add(found["user"])
    return books


def limits_in_words(limits: NativeAmounts) -> list[str]:
    """As `sacctmgr` takes them; -1 takes a limit away."""
    tres = [f"{TRES[name]}={_or_none(getattr(limits, name))}" for name in TRES]
    return [f"GrpTRES={','.join(tres)}", f"GrpJobs={_or_none(limits.running_jobs)}"]


class SlurmQuotas(CountsByItself):
    """Asks by Slurm's commands: what is used of a QOS no version of its REST API tells. One question for all projects."""

    kind = "slurm"

    def __init__(self) -> None:
        self._client = CommandClient(settings.SLURM_COMMANDS_PATH)

    def get_quota(self, project_id: str) -> Standing | None:
        books = self._books()
        return _standing(project_id, books) if name_of(project_id) in books.qos else None

    def sync(self, project_id: str | None = None) -> Mapping[str, Standing]:
        """One question, and a command more for each thing that is not as our rows say; then the question once more."""
        limits, books = wanted(project_id), self._books()
        changes = {project: found for project, limit in limits.items() if (found := _changes(project, limit, books))}
        faults = {project: self._carry_out(found) for project, found in changes.items()}
        if changes:
            books = self._books()
        return {project: replace(_standing(project, books), fault=faults.get(project, "")) for project in limits}

    def _carry_out(self, changes: Sequence[Sequence[str]]) -> str:
        """Why one of them was refused: that is no matter of other projects'."""
        for words in changes:
            try:
                self._client.run(["sacctmgr", "--immediate", *words])
            except SlurmRefusedError as error:
                return f"Slurm does not {words[0]} {words[1]} {words[2]}: {str(error).rstrip('.')}."
            except SlurmError as error:
                raise ProviderError(f"Slurm: {str(error).rstrip('.')}.") from None
        return ""

    def _books(self) -> Books:
        asked = ["scontrol", "--oneliner", "show", "assoc_mgr", "flags=qos,assoc"]
        return read_books(_said(lambda: self._client.run(asked)))


def _changes(project: str, limits: NativeAmounts, books: Books) -> Sequence[Sequence[str]]:
    """What `sacctmgr` has to be told so that the project's account, QOS and associations are as they should be."""
    name, words = name_of(project), list[Sequence[str]]()
    if not settings.SLURM_CREATE_ACCOUNTS or (limits == NO_LIMITS and name not in books.qos):
        return words
    if name not in books.qos:
        words.append(["add", "qos", name])
    if books.qos.get(name, (None, None))[0] != limits:
        words.append(["modify", "qos", name, "set", *limits_in_words(limits)])
    there = books.users.get(name, set())
    if name not in books.users:
        words.append(["add", "account", name, "Organization=trainyard", f"Description=project {project}"])
    for user in settings.SLURM_QUOTA_USERS or [getpass.getuser()]:
        if user not in there:
            words.append(["add", "user", user, f"account={name}", f"qos={name}", f"defaultqos={name}"])
    return words


def _standing(project: str, books: Books) -> Standing:
    hard, used = books.qos.get(name_of(project), (NO_LIMITS, NO_LIMITS))
    return Standing(f"QOS {name_of(project)} of Slurm", hard, used)


def _word(line: str, name: str) -> str:
    found = re.search(rf"\b{name}=(\S*)", line)
    return found[1] if found else ""


def _or_none(limit: int | None) -> int:
    return -1 if limit is None else limit


def _said(asked: Callable[[], T]) -> T:
    try:
        return asked()
    except SlurmError as error:
        raise ProviderError(f"Slurm: {str(error).rstrip('.')}.") from None
