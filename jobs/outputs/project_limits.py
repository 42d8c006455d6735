"""How much of what attempts left a project keeps in all: its own limit, and those of the projects above, each with all below it.

Where none of them has one, the platform's default holds, for each project by itself: what is said for one below wins.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import QuerySet, Sum
from django.db.models.functions import Now

from jobs.models import CodeBlob, KeptOutputs, OutputLimit
from quotas.models import Project
from quotas.queries import administers
from quotas.tree import lines_up
from scheduling.errors import FieldError, ForbiddenError, InvalidError
from scheduling.memory_units import gigabytes

MIB, GIB = 2**20, 2**30
CODE = "code"
SMALL = 10_000


@dataclass(frozen=True, slots=True)
class Level:
    """A project with a limit, and the bytes that it and all below it keep. `below` are these, itself included.

    By the platform's default that is the project alone.
    """

    project: int
    slug: str
    most: int
    used: int
    below: frozenset[int]

    @property
    def most_gb(self) -> float:
        return gigabytes(self.most // MIB)

    @property
    def used_gb(self) -> float:
        return rounded_gb(self.used)


@dataclass(frozen=True, slots=True)
class Standing:
    """What a project and all below it keep, and the level that leaves it least room; None: nothing limits it."""

    used: int
    code: int
    tightest: Level | None

    @property
    def sentence(self) -> str:
        """`12 GB of outputs kept, 60 of at most 100 GB in org`."""
        kept = f"{in_words(self.used)} of outputs kept"
        if self.tightest is None:
            return f"{kept}, no limit"
        level = self.tightest
        over = f", {in_words(level.used - level.most)} over the limit" if level.used > level.most else ""
        return f"{kept}; {level.slug} keeps {in_words(level.used)} of at most {in_words(level.most)}{over}"


def rounded_gb(size: int) -> float:
    """Bytes as they are answered."""
    return round(size / GIB, 3)


def in_words(size: int) -> str:
    """`1.5 GB`, `12 MB`, `10 bytes`; with as many digits as anybody reads."""
    if size < SMALL:
        return f"{size} bytes"
    return f"{size / MIB:.3g} MB" if size < GIB / 10 else f"{size / GIB:,.2f}".rstrip("0").rstrip(".") + " GB"


def levels_of(project: int, *, locked: bool = False) -> list[Level]:
    """The limits that hold for a project, the nearest first. `locked`: who else takes of them waits."""
    return _levels_of(project, lines_up(), locked=locked)


def all_levels() -> list[Level]:
    """Every limit that there is."""
    lines = lines_up()
    stated = _levels(OutputLimit.objects.order_by("pk"), lines)
    limited = frozenset[int]().union(*(level.below for level in stated))
    return [*stated, *_by_default(lines.keys() - limited)]


def standing_of(project: int) -> Standing:
    lines = lines_up()
    below = _below(project, lines)
    code = CodeBlob.objects.filter(project__in=below, pack__holds=CODE).aggregate(all=Sum("size"))["all"] or 0
    tightest = min(_levels_of(project, lines), key=lambda level: level.most - level.used, default=None)
    return Standing(used_by(below), code, tightest)


def used_by(projects: Collection[int]) -> int:
    """Bytes of all files that these projects keep, as they are listed: what two jobs left alike counts twice."""
    return sum(_used_each(projects).values())


def set_limit(project: Project, most_mb: int | None, actor: User) -> None:
    """From now on it keeps no more than that, with all below it; None: as those above, or else the platform, have it.

    By administrators of a project above, and by its own up to what the nearest above has; where nothing above has a
    limit, not by its own, and more than the platform's by staff alone. Raises ForbiddenError, and InvalidError for more
    than the one above.
    """
    above = _above(project)
    if not (administers(actor, project.parent_id) or (above is not None and administers(actor, project.pk))):
        words = (
            f"How much project {project} keeps is said by staff and administrators of a project above it"
            f"{f', and below the limit of {above.slug} by its own' if above else ''}."
        )
        raise ForbiddenError(words)
    if most_mb is None:
        OutputLimit.objects.filter(project=project).delete()
        return
    refuse_more(project, most_mb)
    default = _default_bytes()
    if above is None and default and most_mb * MIB > default and not actor.is_staff:
        raise ForbiddenError(
            f"More than the {in_words(default)} that the platform has each project keep is said by staff."
        )
    said = {"most_mb": most_mb, "changed_by": actor.get_username(), "changed_at": Now()}
    OutputLimit.objects.update_or_create(project=project, defaults=said)


def refuse_more(project: Project, most_mb: int) -> None:
    """Raise InvalidError for more than the nearest project above keeps."""
    above = _above(project)
    if above is not None and most_mb * MIB > above.most:
        words = f"{above.slug} keeps at most {in_words(above.most)}, with all below it: say that or less."
        raise InvalidError([FieldError("output_gb", words, "too_large")])


def _above(project: Project) -> Level | None:
    return next((level for level in levels_of(project.pk) if level.project != project.pk), None)


def _levels_of(project: int, lines: Mapping[int, tuple[int, ...]], *, locked: bool = False) -> list[Level]:
    line = lines.get(project, ())
    rows = OutputLimit.objects.filter(pk__in=line).order_by("pk")
    found = {
        level.project: level
        for level in _levels(rows.select_for_update(no_key=True, of=("self",)) if locked else rows, lines)
    }
    return [found[one] for one in line if one in found] or _by_default(line[:1], locked=locked)


def _levels(rows: QuerySet[OutputLimit], lines: Mapping[int, tuple[int, ...]]) -> list[Level]:
    """What they keep is read behind the locks, for all of them at once."""
    limits = [(row, _below(row.pk, lines)) for row in rows.select_related("project")]
    used = _used_each(frozenset[int]().union(*(below for _, below in limits))) if limits else {}
    return [
        Level(row.pk, row.project.slug, row.most_mb * MIB, sum(used.get(one, 0) for one in below), below)
        for row, below in limits
    ]


def _by_default(projects: Collection[int], *, locked: bool = False) -> list[Level]:
    """The platform's limit for each of these, which have no other one. `locked`: their own rows, as there is none of a limit."""
    most = _default_bytes()
    if not (most and projects):
        return []
    rows = Project.objects.filter(pk__in=projects).order_by("pk")
    found = list((rows.select_for_update(no_key=True) if locked else rows).values_list("pk", "slug"))
    used = _used_each(projects)
    return [Level(pk, slug, most, used.get(pk, 0), frozenset({pk})) for pk, slug in found]


def _default_bytes() -> int:
    return int(settings.OUTPUT_PROJECT_GB * GIB)


def _used_each(projects: Collection[int]) -> dict[int, int]:
    rows = KeptOutputs.objects.filter(attempt__job__project__in=projects, size__gt=0).order_by()
    return dict(rows.values_list("attempt__job__project").annotate(all=Sum("size")))


def _below(project: int, lines: Mapping[int, tuple[int, ...]]) -> frozenset[int]:
    return frozenset(one for one, line in lines.items() if project in line)
