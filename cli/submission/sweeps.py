"""Many jobs of one command: arrays of numbers, grids of parameters, random searches.

A *point* is one job of them: the values of its parameters, by their names.
"""

import math
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Any, TypeAlias

from cli.errors import UsageError
from cli.options.sweep import SweepOptions
from cli.submission.job_names import NAME_LENGTH

MOST_JOBS = 10_000
"""As many as the server takes in one request."""
INDEX, KEY = "index", "submission_key"
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,62}")
PART = re.compile(r"(\d+)(?:-(\d+)(?::(\d+))?)?")
RANGE = re.compile(r"(log:)?(\S+?)\.\.(\S+)")

Point: TypeAlias = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Array:
    """The numbers of an array, and how many of its jobs may run at once; None: as many as there is room for."""

    indices: tuple[int, ...]
    at_once: int | None = None


@dataclass(frozen=True, slots=True)
class Many:
    """The jobs that were asked for: a point and a number each, and how many of them may run at once."""

    points: Sequence[Point]
    indices: Sequence[int]
    at_once: int | None


def many(its: SweepOptions) -> Many | None:
    """The jobs that are meant; None: one. Raises `UsageError`, also for options that do not go together."""
    if its.array and its.sweep:
        raise UsageError("--array and --sweep: say one of them; each job of a sweep has a number, too.")
    if its.array:
        array = parse_array(its.array)
        if array.at_once and its.max_running not in (None, array.at_once):
            raise UsageError(f"--max-running {its.max_running}: the array says %{array.at_once} already.")
        return Many([{}] * len(array.indices), array.indices, array.at_once or its.max_running)
    if its.sweep:
        found = parse_sweep(its.sweep, samples=its.samples, seed=its.seed)
        return Many(found, range(len(found)), its.max_running)
    if its.samples is not None or its.max_running is not None or its.stop_on_failure:
        raise UsageError("--samples, --max-running and --stop-on-failure are of --sweep or --array.")
    return None


def parse_array(text: str) -> Array:
    """`0-99%10`, `1,4,7`, `0-20:5`, as Slurm writes them; raises `UsageError`."""
    numbers, limited, at_once = text.partition("%")
    found = [PART.fullmatch(part) for part in numbers.split(",")]
    ranges = [_range(part) for part in found if part is not None]
    if len(ranges) < len(found) or not all(ranges):
        raise UsageError(f"array {text}: write numbers and ranges, such as 0-99, 1,4,7 or 0-20:5.")
    if limited and (not at_once.isdecimal() or int(at_once) < 1):
        raise UsageError(f"array {text}: behind % stands how many run at once, a number from 1 on.")
    _refuse_too_many("array", sum(map(len, ranges)))
    return Array(tuple(sorted({number for one in ranges for number in one})), int(at_once) if limited else None)


def _range(part: re.Match[str]) -> range:
    first, last, step = int(part[1]), int(part[2] or part[1]), int(part[3] or 1)
    return range(first, last + 1, step) if step else range(0)


def parse_sweep(settings: Sequence[str], *, samples: int | None = None, seed: int = 0) -> list[Point]:
    """The points of `lr=0.1,0.01` and `hidden=16,64`, as `points` has them; raises `UsageError`."""
    said: dict[str, str] = {}
    for text in settings:
        name, given, values = text.partition("=")
        if not given or not values:
            raise UsageError(f"sweep {text}: write NAME=VALUE,VALUE, or NAME=FROM..TO with --samples.")
        if name in said:
            raise UsageError(f"sweep {name}: said twice; write all its values in one, separated by commas.")
        said[name] = values
    return points(said, samples=samples, seed=seed)


def points(said: Mapping[str, str | list[str]], *, samples: int | None = None, seed: int = 0) -> list[Point]:
    """Every combination of the values of each name, or so many of them at random.

    Ranges, `0..0.5` and `log:1e-4..1e-1`, are drawn from and need `samples`; of whole numbers whole ones come. The same
    seed gives the same points. Raises `UsageError`.
    """
    for name in said:
        if not NAME.fullmatch(name) or name == INDEX:
            raise UsageError(f"sweep {name}: a name begins with a letter, and {INDEX} is the number of the job.")
    if samples is not None:
        _refuse_too_many("samples", samples)
        return _drawn(said, samples, random.Random(seed))  # noqa: S311  nothing secret hangs on it
    lists = {name: _listed(name, values) for name, values in said.items()}
    _refuse_too_many("sweep", math.prod(map(len, lists.values())))
    return [dict(zip(lists, chosen, strict=True)) for chosen in product(*lists.values())]


def _listed(name: str, values: str | list[str]) -> list[str]:
    if isinstance(values, str) and RANGE.fullmatch(values):
        raise UsageError(f"sweep {name}: {values} is drawn from: say with samples how often.")
    found = list(dict.fromkeys(values.split(",") if isinstance(values, str) else values))
    if not found or "" in found:
        raise UsageError(f"sweep {name}: a value is empty.")
    return found


def _drawn(said: Mapping[str, str | list[str]], samples: int, chance: random.Random) -> list[Point]:
    ranges = {name: found for name, text in said.items() if isinstance(text, str) and (found := RANGE.fullmatch(text))}
    lists = {name: _listed(name, values) for name, values in said.items() if name not in ranges}
    if not ranges:
        return _chosen(lists, samples, chance)
    draw = {name: _drawer(name, found, chance) for name, found in ranges.items()}
    return [
        {name: draw[name]() if name in draw else chance.choice(lists[name]) for name in said} for _ in range(samples)
    ]


def _chosen(lists: dict[str, list[str]], samples: int, chance: random.Random) -> list[Point]:
    """So many different ones of the grid, without making all of it."""
    there_are = math.prod(map(len, lists.values()))
    if samples > there_are:
        raise UsageError(f"samples {samples}: there are only {there_are} combinations.")
    return [_at(lists, number) for number in sorted(chance.sample(range(there_are), samples))]


def _at(lists: dict[str, list[str]], number: int) -> Point:
    """The point of this number, the last name changing fastest, as in a grid."""
    point: dict[str, str] = {}
    for name in reversed(lists):
        number, which = divmod(number, len(lists[name]))
        point[name] = lists[name][which]
    return {name: point[name] for name in lists}


def _drawer(name: str, found: re.Match[str], chance: random.Random) -> Callable[[], str]:
    """Draws a value of the range, as text."""
    logarithmic, low, high = bool(found[1]), _number(name, found[2]), _number(name, found[3])
    if low >= high or (logarithmic and low <= 0):
        above = " above 0" if logarithmic else ""
        raise UsageError(f"sweep {name}: of {found[0]} the first number{above} must be less than the second.")
    whole = isinstance(low, int) and isinstance(high, int)
    if whole and not logarithmic:
        return lambda: str(chance.randint(int(low), int(high)))

    def drawn() -> float:
        return math.exp(chance.uniform(math.log(low), math.log(high))) if logarithmic else chance.uniform(low, high)

    return lambda: str(round(drawn())) if whole else f"{drawn():.6g}"


def _number(name: str, text: str) -> int | float:
    try:
        number = int(text) if text.removeprefix("-").isdecimal() else float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UsageError(f"sweep {name}: {text} is no number.")
    return number


def _refuse_too_many(what: str, number: int) -> None:
    if number > MOST_JOBS:
        raise UsageError(f"{what}: {number:,} jobs; at most {MOST_JOBS:,} are taken at once.")
    if number < 1:
        raise UsageError(f"{what}: that is no job at all.")


def batch_of(request: Mapping[str, Any], wanted: Many, *, stop_on_failure: bool, now: datetime) -> dict[str, Any]:
    """The body of POST /jobs/batch: one workload, with a name of its own unless the request names one."""
    defaults = {name: value for name, value in request.items() if name not in ("name", "command", "workload", KEY)}
    terms = {"max_running": wanted.at_once, "stop_on_failure": stop_on_failure or None}
    name = request.get("workload") or f"{_as_workload(request['name'])}-{now:%Y%m%d-%H%M%S}"
    workload = {"name": name} | {term: value for term, value in terms.items() if value is not None}
    return {"defaults": defaults, "jobs": list(jobs_of(request, wanted)), "workload": workload}


def _as_workload(name: str) -> str:
    """What of the name can begin the name of a workload."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).lstrip("0123456789._-")[:40] or "sweep"


def jobs_of(request: Mapping[str, Any], wanted: Many) -> Iterator[dict[str, Any]]:
    """What is each job's own.

    `{name}` in a word of the command is the point's value; a value that stands nowhere is added as `--name=value`. Each
    job finds its number in TRAINYARD_ARRAY_INDEX, and how many there are in TRAINYARD_ARRAY_COUNT.
    """
    command: list[str] = request["command"]
    words = "\n".join(command)
    for index, point in zip(wanted.indices, wanted.points, strict=True):
        values = {**point, INDEX: str(index)}
        added = [f"--{name}={value}" for name, value in point.items() if f"{{{name}}}" not in words]
        own = " ".join(f"{name}={value}" for name, value in point.items()) or str(index)
        yield {
            "name": f"{request['name']} {own}"[:NAME_LENGTH],
            "command": [_filled(word, values) for word in command] + added,
            "env": {"TRAINYARD_ARRAY_INDEX": str(index), "TRAINYARD_ARRAY_COUNT": str(len(wanted.points))},
            **({"labels": dict(point)} if point else {}),
            **({KEY: f"{request[KEY]}-{index}"} if KEY in request else {}),
        }


def _filled(word: str, values: Mapping[str, str]) -> str:
    """Each `{name}` at once: a value that looks like another's place stays as it is."""
    places = "|".join(re.escape(name) for name in values)
    return re.sub(rf"\{{({places})\}}", lambda found: values[found[1]], word)
