"""What a project uses of its quotas and budgets, as bars: an SVG for the eye, and beside it the same in words."""

from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from console.admin import cells
from jobs.planning.budget_use.reports import BudgetReport, spell
from jobs.reports.quota_bars import QuotaBar
from quotas.budgets.rows import Budget
from scheduling.sharing.periods import ONCE

NAMES = {
    "gpus": "GPUs",
    "cpus": "CPUs",
    "memory_mb": "Memory",
    "running_jobs": "Running jobs",
    "waiting_jobs": "Waiting jobs",
    "gpu_seconds_ahead": "GPU-hours ahead",
}
ROOM = 2
"""What waits, or is expected, makes a bar so many times as long as its limit at the most; the rest is told in words."""
TOLD_AT = (0.5, 0.8, 1.0)
Kinds = tuple[tuple[str, str], ...]
QUOTA_PARTS: Kinds = (
    ("own", "used of its own"),
    ("borrowed", "borrowed"),
    ("lent", "lent"),
    ("others", "used by others"),
    ("over", "over the limit"),
    ("waiting", "asked for by those that wait"),
)
QUOTA_MARKS: Kinds = (("quota", "the quota"), ("limit", "with all it may borrow"))
BUDGET_PARTS: Kinds = (
    ("own", "spent"),
    ("committed", "committed"),
    ("waiting", "expected beside that"),
    ("over", "over the amount"),
)
BUDGET_MARKS: Kinds = (("told", "50 and 80 %"), ("quota", "the amount"), ("expected", "expected by the end"))
SVG = '<svg class="ty-stack" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" focusable="false">{}{}</svg>'


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a bar: of one kind, from here to there."""

    kind: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Bar:
    """Its stretches, its marks by kind, and how long it is."""

    parts: list[Part]
    marks: list[tuple[str, float]]
    whole: float


def quota_bar(bar: QuotaBar) -> Bar:
    """Marks are the quota, and where it ends with all that may be borrowed."""
    firm = min(bar.held, bar.limit)
    if bar.is_own:
        parts = [Part("own", 0, min(firm, bar.nominal)), Part("borrowed", bar.nominal, firm)]
        parts.append(Part("lent", bar.nominal - bar.lent, bar.nominal))
    else:
        parts = [Part("own", 0, bar.used), Part("others", bar.used, firm)]
    long = max(bar.limit, bar.held) or bar.waiting
    whole = max(long, min(bar.held + bar.waiting, ROOM * long))
    parts += [Part("over", bar.limit, bar.held), Part("waiting", bar.held, min(bar.held + bar.waiting, whole))]
    return Bar(_some(parts), [("quota", bar.nominal), ("limit", bar.limit)], whole)


def budget_bar(report: BudgetReport) -> Bar:
    """Marks are where somebody is told, and what is expected. What is beyond the amount is a stretch of its own."""
    amount, spent, taken, forecast = map(float, (report.amount, report.spent, report.taken, report.forecast))
    long = max(amount, taken) or forecast
    whole = max(long, min(forecast, ROOM * long))
    parts = [
        Part("own", 0, min(spent, amount)),
        Part("committed", min(spent, amount), min(taken, amount)),
        Part("over", amount, taken),
        Part("waiting", taken, min(forecast, whole)),
    ]
    told = [("quota" if share == 1 else "told", amount * share) for share in TOLD_AT]
    return Bar(_some(parts), [*told, ("expected", min(forecast, whole))], whole)


def _some(parts: list[Part]) -> list[Part]:
    return [part for part in parts if part.end > part.start]


def drawn(bar: Bar) -> SafeString:
    """What is only asked for or expected is a thin line of dashes: told from the rest without colour."""
    whole = bar.whole or 1
    stretches = [(one.kind, _percent(one.start, whole), _percent(one.end, whole)) for one in bar.parts]
    marks = [(kind, _percent(at, whole)) for kind, at in bar.marks]
    return format_html(
        SVG,
        format_html_join("", '<path class="ty-part ty-{}" d="M{} 5H{}"/>', stretches),
        format_html_join("", '<path class="ty-at ty-at-{}" d="M{} 0V10"/>', marks),
    )


def _percent(at: float, whole: float) -> str:
    return f"{100 * at / whole:.4g}"


def quota_cell(bar: QuotaBar) -> SafeString:
    """For a list: figures, bar and notes; the whole sentence as a title."""
    return format_html(
        '<span class="ty-use" title="{}">{}{}<small>{}</small></span>',
        bar.sentence, bar.figures, drawn(quota_bar(bar)), ", ".join(bar.notes),
    )  # fmt: skip


def quota_row(bar: QuotaBar) -> SafeString:
    """For a project's page: the resource, a long bar, and all of it in words."""
    return _row(NAMES[bar.resource], drawn(quota_bar(bar)), bar.sentence)


def budget_cell(report: BudgetReport) -> SafeString:
    figures = f"{spell(report.taken)} of {spell(report.amount)} {report.budget.currency or 'GPU-h'}"
    return format_html(
        '<span class="ty-use" title="{}">{}{}<small>{}</small></span>',
        report.sentence, figures, drawn(budget_bar(report)), budget_notes(report),
    )  # fmt: skip


def budget_notes(report: BudgetReport) -> str:
    return (
        f"{each_period(report.budget)}, {'hard' if report.budget.hard else 'soft'}, {spell(report.forecast)} expected"
    )


def budget_row(report: BudgetReport) -> SafeString:
    return _row(
        cells.link(
            "quotas_budget", report.budget.pk, f"{report.budget.currency or 'GPU-hours'} {each_period(report.budget)}"
        ),
        drawn(budget_bar(report)),
        report.sentence,
    )


def each_period(budget: Budget) -> str:
    return "once" if budget.period == ONCE else f"a {budget.period}"


def _row(name: SafeString | str, bar: SafeString, sentence: str) -> SafeString:
    return format_html('<div class="ty-use"><dt>{}</dt><dd>{}<small>{}</small></dd></div>', name, bar, sentence)


def legend(parts: Kinds, marks: Kinds) -> SafeString:
    """Which colour and which mark is what."""
    shown = [(drawn(Bar([Part(kind, 0, 1)], [], 1)), words) for kind, words in parts]
    shown += [(drawn(Bar([], [(kind, 0.5)], 1)), words) for kind, words in marks]
    return format_html_join("", "<li>{}{}</li>", shown)
