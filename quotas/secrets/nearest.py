"""Which secret a name means for a job: its owner's own, else the nearest one up the tree of projects.

As everywhere that knows several levels, the most particular one wins: who has a key of their own runs with that, and a
project may have another one than the organisation above it.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from quotas.secrets.rows import Secret
from quotas.tree import lines_up


@dataclass(frozen=True)
class Nearest:
    """Secrets by holder and name, and the tree in which they are looked for."""

    of_users: Mapping[tuple[int, str], int]
    of_projects: Mapping[tuple[int, str], int]
    lines: Mapping[int, tuple[int, ...]]

    def find(self, project: int, user: int | None, name: str) -> int | None:
        """The number of the secret; None: there is none."""
        own = self.of_users.get((user, name)) if user is not None else None
        if own is not None:
            return own
        line = self.lines.get(project, (project,))
        return next((self.of_projects[one, name] for one in line if (one, name) in self.of_projects), None)

    def missing(self, project: int, user: int | None, names: Iterable[str]) -> list[str]:
        return [name for name in names if self.find(project, user, name) is None]


def read(names: Collection[str]) -> Nearest:
    """As it is now, for these names; asks nothing where there is none."""
    if not names:
        return Nearest({}, {}, {})
    of_users, of_projects = dict[tuple[int, str], int](), dict[tuple[int, str], int]()
    rows = Secret.objects.filter(name__in=names).order_by().values_list("pk", "project", "user", "name")
    for pk, project, user, name in rows:
        if project is not None:
            of_projects[project, name] = pk
        elif user is not None:
            of_users[user, name] = pk
    return Nearest(of_users, of_projects, lines_up())


def sentence(project: str, missing: Iterable[str]) -> str:
    """Why a job of this project (its slug) cannot start without them."""
    names = list(missing)
    what = f"Secret {names[0]} does" if len(names) == 1 else f"Secrets {', '.join(names)} do"
    return f"{what} not exist in project {project}, in one above it, or as its owner's own."
