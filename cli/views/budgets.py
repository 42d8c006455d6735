"""Budgets and what runs would cost, in words."""

from collections.abc import Iterator

from cli.client.requests import Row
from cli.views.money import spell_money


def spell_runs(runs: Row | None) -> Iterator[tuple[str, str]]:
    """What all runs together cost, and who would not pay for them; nothing where nothing has a price and no budget is near."""
    if not runs:
        return
    if runs["most_cost"] is not None:
        amounts = f"{spell_money(runs['estimated_cost'])} expected, {spell_money(runs['most_cost'])} at the most"
        yield f"{runs['runs']} {'run' if runs['runs'] == 1 else 'runs'}", amounts
    if runs["within_at_most"] is not None:
        yield "at most", f"{spell_money(runs['at_most'])}: {spell_limit(runs)}"
    for check in runs["budgets"]:
        if not check["within"]:
            what = f"{spell_amount(check, 'needed')} of {spell_amount(check, 'available')} that are left"
            kind = "would not pay now" if check["hard"] else "would be overrun"
            yield "budget", f"that of project {check['project']} {kind}: {what}"


def spell_limit(runs: Row) -> str:
    """`yes`, or how it may become more."""
    if runs["within_at_most"]:
        return "yes"
    return "only if they end as expected" if runs["expected_within_at_most"] else "no"


def spell_amount(row: Row, name: str) -> str:
    """With its unit: `12.50 EUR`, `40.00 GPU-hours`; money whose currency is not told stands alone."""
    unit = "GPU-hours" if row["unit"] == "gpu_hours" else row.get("currency", "")
    return f"{spell_money(row[name])} {unit}".strip()
