"""The table of a drill."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chaos.checks import Finding, Wrong
from chaos.history import History

SHOWN = 40


@dataclass(frozen=True, slots=True)
class Timing:
    """Something measured and its bar: `value` must be at most `bar`, or at least where `at_least`."""

    name: str
    value: float
    bar: float
    unit: str = "s"
    at_least: bool = False

    @property
    def is_within_bar(self) -> bool:
        return self.value >= self.bar if self.at_least else self.value <= self.bar


def as_data(
    history: History, findings: Sequence[Finding], timings: Sequence[Timing], seconds: float, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """What a scenario has shown, as JSON."""
    broken = [finding for finding in findings if not finding.excuse]
    wrong = Counter(finding.wrong for finding in broken)
    return {
        **facts,
        "jobs": len(history.accepted),
        "runs": len(history.runs),
        "seconds": round(seconds, 1),
        "ends": dict(Counter(job.state for job in history.jobs.values())),
        "attempt_ends": dict(Counter(one.end_reason for job in history.jobs.values() for one in job.attempts)),
        "wrong": {kind.value: wrong[kind] for kind in Wrong},
        "findings": [[finding.wrong, finding.job_id, finding.sentence] for finding in broken],
        "excused": [[one.wrong, one.job_id, f"{one.sentence} ({one.excuse})"] for one in findings if one.excuse],
        "measures": [[one.name, round(one.value, 2), one.bar, one.unit, one.is_within_bar] for one in timings],
    }


def show(data: Mapping[str, Any]) -> None:
    """Print the table, and the first of the findings under it."""
    rows = [
        ("seed", data["seed"]),
        ("jobs", f"{data['jobs']} ({_counted(data['ends'])}) in {data['seconds']:.0f} s"),
        ("attempts", _counted(data["attempt_ends"])),
        *_of_faults(data),
        *((name, f"{count}{'  BROKEN' if count else ''}") for name, count in data["wrong"].items()),
        ("excused", f"{len(data['excused'])}"),
        *((name, _measured(*measured)) for name, *measured in data["measures"]),
    ]
    width = max(len(name) for name, _ in rows)
    print()
    for name, text in rows:
        print(f"{name:<{width}}  {text}")
    for wrong, job_id, sentence in data["findings"][:SHOWN]:
        print(f"  {wrong}{f', job {job_id}' if job_id else ''}: {sentence}")
    if len(data["findings"]) > SHOWN:
        print(f"  and {len(data['findings']) - SHOWN} more")
    for wrong, job_id, sentence in data["excused"]:
        print(f"  excused: {wrong}, job {job_id}: {sentence}")


def _of_faults(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    if "faults" not in data:
        return []
    return [
        ("faults", f"{sum(data['faults'].values())} ({_counted(data['faults'])})"),
        ("faults left out", _counted(data["faults_left_out"]) or "none"),
    ]


def _measured(value: float, bar: float, unit: str, kept: bool) -> str:
    return f"{value:g} {unit} (bar {bar:g}){'' if kept else '  BROKEN'}"


def passed(data: Mapping[str, Any]) -> bool:
    return not data["findings"] and all(kept for *_, kept in data["measures"])


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name or 'open'} {count}" for name, count in sorted(counts.items()))
