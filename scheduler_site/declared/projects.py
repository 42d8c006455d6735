"""Projects as a tree, with their members, quotas and how long their jobs are kept."""

from collections.abc import Iterable, Iterator
from typing import Any

from api.v1.shapes.quotas import columns_in
from jobs.control import job_retention, project_removal
from jobs.models import JobRetention, OutputLimit
from jobs.outputs import project_limits
from quotas import members, projects
from quotas.limits import set_limits
from quotas.models import Membership, Project, Quota
from scheduler_site.declared.changes import ACTOR, Change, Verb, compared, in_the_file
from scheduler_site.declared.document import Entry, Refused
from scheduling.memory_units import gigabytes

FIELDS = ("name", "parent", "weight", "archived")
QUOTA = frozenset(
    {"limits", "borrowing_limits", "lending_limits", "user_limits", "max_nodes", "gpu_models", "enforced"}
)


def changes(entries: Iterable[Entry]) -> Iterator[Change]:
    """Each project after the one above it, and what hangs on projects after all of them."""
    rows = {row.slug: row for row in Project.objects.select_related("parent", "quota")}
    ordered = parents_first(list(entries))
    yield from (_project(entry, rows.get(entry.values["slug"])) for entry in ordered)
    for entry in ordered:
        row = rows.get(entry.values["slug"])
        yield from _quota(entry, row)
        yield from _members(entry, row)
        yield from _retention(entry, row)
        yield from _output_limit(entry, row)


def surplus(entries: Iterable[Entry]) -> Iterator[Change]:
    """Projects that are not in the file, those below first; then members of projects whose members are."""
    declared = {entry.values["slug"]: entry for entry in entries}
    leaving: set[int] = set()
    for row in _children_first([row for row in Project.objects.select_related("parent") if row.slug not in declared]):
        if not project_removal.kept_by(row, leaving):
            leaving.add(row.pk)
            yield _deletion(row)
        elif not row.archived:
            yield _archiving(row)
    for member in Membership.objects.select_related("project", "user").order_by("project__slug", "user__username"):
        entry = declared.get(member.project.slug)
        if entry is not None and member.user.username not in entry.values.get("members", {member.user.username}):
            yield _departure(member)


def parents_first(entries: list[Entry]) -> list[Entry]:
    """Raises Refused where the file says of a project that it lies below itself."""
    by_slug = {entry.values["slug"]: entry for entry in entries}
    found: dict[str, Entry] = {}
    for entry in entries:
        line: dict[str, Entry] = {}
        at: Entry | None = entry
        while at is not None and at.values["slug"] not in found:
            if at.values["slug"] in line:
                raise Refused(
                    [entry.refusal(f"lies below itself: {' below '.join([*line, at.values['slug']])}.", ("parent",))]
                )
            line[at.values["slug"]] = at
            at = by_slug.get(at.values.get("parent") or "")
        found |= dict(reversed(line.items()))
    return list(found.values())


def _project(entry: Entry, row: Project | None) -> Change:
    slug, wanted = entry.values["slug"], {name: entry.values[name] for name in FIELDS if name in entry.values}
    before = {name: getattr(row, name) for name in FIELDS} | {"parent": row.parent and row.parent.slug} if row else None
    return compared(
        entry, before, wanted, create=lambda: _create(slug, wanted), change=lambda other: _change(slug, other)
    )


def _create(slug: str, wanted: dict[str, Any]) -> None:
    made = projects.create(actor=ACTOR, slug=slug, **{name: wanted[name] for name in wanted if name != "archived"})
    if wanted.get("archived"):
        projects.change(project=made, actor=ACTOR, archived=True)


def _change(slug: str, other: dict[str, Any]) -> None:
    projects.change(project=Project.objects.get(slug=slug), actor=ACTOR, **other)


def _quota(entry: Entry, row: Project | None) -> Iterator[Change]:
    if not QUOTA & entry.values.keys():
        return
    slug, limits = entry.values["slug"], columns_in(entry.values)
    quota: Quota | None = getattr(row, "quota", None)
    enforced = {"enforced": entry.values["enforced"]} if "enforced" in entry.values else {}
    columns = (*limits, "enforced")
    before = dict(in_the_file(one, getattr(quota, one)) for one in columns) if quota else None
    wanted = dict(in_the_file(name, value) for name, value in limits.items()) | enforced

    def do(_other: object = None) -> None:
        set_limits(project=Project.objects.get(slug=slug), actor=ACTOR, limits=limits, **enforced)

    yield compared(entry, before, wanted, create=do, change=do, title=f"quota of {slug}")


def _members(entry: Entry, row: Project | None) -> Iterator[Change]:
    slug = entry.values["slug"]
    known = dict(Membership.objects.filter(project=row).values_list("user__username", "role")) if row else {}
    for username, role in entry.values.get("members", {}).items():
        yield _member(entry.below(f"member {username} of {slug}", {}, "members", username), slug, username, known, role)


def _member(entry: Entry, slug: str, username: str, known: dict[str, str], role: str) -> Change:
    def who() -> dict[str, Any]:
        return {"project": Project.objects.get(slug=slug), "actor": ACTOR, "username": username, "role": role}

    before = {"role": known[username]} if username in known else None
    return compared(
        entry, before, {"role": role},
        create=lambda: members.add(**who()), change=lambda _other: members.change_role(**who()),
    )  # fmt: skip


def _retention(entry: Entry, row: Project | None) -> Iterator[Change]:
    if "job_days" not in entry.values:
        return
    slug, days = entry.values["slug"], entry.values["job_days"]
    rule = JobRetention.objects.filter(project=row).first() if row else None

    def do(_other: object = None) -> None:
        job_retention.set_rule(Project.objects.get(slug=slug), days, ACTOR)

    shown = "for ever" if days is None else days
    before = {"job_days": "for ever" if rule.days is None else rule.days} if rule else None
    yield compared(entry, before, {"job_days": shown}, create=do, change=do, title=f"retention of {slug}")


def _output_limit(entry: Entry, row: Project | None) -> Iterator[Change]:
    """Limits above come first, as projects do: what is below is held against them."""
    if "output_gb" not in entry.values:
        return
    slug, most_mb = entry.values["slug"], entry.values["output_gb"]
    limit = OutputLimit.objects.filter(project=row).first() if row else None

    def do(_other: object = None) -> None:
        project_limits.set_limit(Project.objects.get(slug=slug), most_mb, ACTOR)

    if most_mb is None:
        if limit is not None:
            yield Change(Verb.DELETE, f"limit of outputs of {slug}", entry, do=do)
        return
    before = {"output_gb": gigabytes(limit.most_mb)} if limit else None
    wanted = {"output_gb": gigabytes(most_mb)}
    yield compared(entry, before, wanted, create=do, change=do, title=f"limit of outputs of {slug}")


def _children_first(rows: list[Project]) -> list[Project]:
    left, found = {row.pk: row for row in rows}, []
    while left:
        above = {row.parent_id for row in left.values()}
        lowest = [row for row in left.values() if row.pk not in above] or list(left.values())
        found += lowest
        left = {row.pk: row for row in left.values() if row not in lowest}
    return found


def _deletion(row: Project) -> Change:
    return Change(Verb.DELETE, f"project {row}", do=lambda: project_removal.remove(project=row, actor=ACTOR))


def _archiving(row: Project) -> Change:
    """Something hangs on it: jobs, or a project below it."""
    return Change(Verb.ARCHIVE, f"project {row}", do=lambda: projects.change(project=row, actor=ACTOR, archived=True))


def _departure(member: Membership) -> Change:
    title = f"member {member.user} of {member.project}"
    return Change(
        Verb.DELETE,
        title,
        do=lambda: members.remove(project=member.project, actor=ACTOR, username=member.user.username),
    )
