"""As which user a node's commands run: as the agent's, as a named one, or each job as a user of its own that has no name.

A job keeps its user over attempts and nodes, as its checkpoints are that user's files.
"""

import os
import pwd
import re
from dataclasses import dataclass
from pathlib import Path

AUTO, AGENT = "auto", "agent"
RANGES = ((1_900_000_000, 1_900_999_999), (61_184, 65_519))
"""Numbers that no distribution gives to accounts; the second for containers that have no more than 65,536 of them."""
FIRST_OF_PEOPLE = 1000
"""Lower numbers are those of the system's own accounts."""
UID_MAP = Path("/proc/self/uid_map")


@dataclass(frozen=True, slots=True)
class JobUser:
    """Whom a command runs as. `home` is empty where a folder of the job's is its home."""

    uid: int
    gid: int
    name: str
    groups: tuple[int, ...] = ()
    home: str = ""


@dataclass(frozen=True, slots=True)
class RunAs:
    """The users of a node's jobs: the numbers from `first` to `last`, or one account."""

    first: int
    last: int
    account: str = ""

    def user_of(self, job_id: int) -> JobUser:
        if self.account:
            known = pwd.getpwnam(self.account)
            groups = tuple(os.getgrouplist(known.pw_name, known.pw_gid))
            return JobUser(known.pw_uid, known.pw_gid, known.pw_name, groups, known.pw_dir)
        number = self.first + job_id % (self.last - self.first + 1)
        return JobUser(number, number, f"job-{job_id}")

    @property
    def words(self) -> str:
        return f"as {self.account}" if self.account else f"each as a user of its own ({self.first} to {self.last})"


def candidates(setting: str) -> list[RunAs]:
    """What `setting` allows, the best first; none: they run as the agent. Raises ValueError where it cannot be."""
    if setting == AGENT or (setting == AUTO and os.geteuid() != 0):
        return []
    if setting == AUTO:
        return [RunAs(*each) for each in RANGES if mapped(*each)][:1]
    chosen = parsed(setting)
    if os.geteuid() != 0:
        raise ValueError(
            f"TRAINYARD_RUN_AS={setting}: only an agent that runs as root starts commands as another user."
        )
    return [chosen]


def parsed(setting: str) -> RunAs:
    """Raises ValueError, which says what is wrong with the name or the range."""
    numbers = re.fullmatch(r"([0-9]{1,10})-([0-9]{1,10})", setting)
    if numbers:
        first, last = int(numbers[1]), int(numbers[2])
        if not FIRST_OF_PEOPLE <= first <= last < 2**32 - 1:
            raise ValueError(
                f"TRAINYARD_RUN_AS={setting}: numbers from 1000 to 4294967294 are meant, the smaller one first."
            )
        return RunAs(first, last)
    try:
        account = pwd.getpwnam(setting)
    except KeyError:
        raise ValueError(f"TRAINYARD_RUN_AS={setting}: this machine has no account of that name.") from None
    if account.pw_uid == 0:
        raise ValueError(f"TRAINYARD_RUN_AS={setting}: that is root; to run commands as the agent does, say {AGENT}.")
    return RunAs(account.pw_uid, account.pw_uid, setting)


def mapped(first: int, last: int) -> bool:
    """Whether this user namespace has all these numbers."""
    try:
        rows = [[int(word) for word in line.split()] for line in UID_MAP.read_text().splitlines()]
    except (OSError, ValueError):
        return False
    return any(inside <= first and last < inside + count for inside, _, count in rows)


def agent_name() -> str:
    """Of the user as which this process runs."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"user {os.geteuid()}"
