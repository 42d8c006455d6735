"""The jobs of a workload by state: as a bar, and beside it in words."""

from collections.abc import Mapping

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from console.admin import cells
from scheduling.lifecycle import JobState

ORDER = (
    JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED, JobState.RUNNING, JobState.ASSIGNED, JobState.QUEUED,
    JobState.PAUSED, JobState.PENDING,
)  # fmt: skip
"""What is over first, as a bar that fills up."""
SVG = '<svg class="ty-stack" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" focusable="false">{}</svg>'
LINE = '<line class="ty-part ty-of-{}" x1="{}" x2="{}" y1="5" y2="5"/>'


def bar(counts: Mapping[JobState, int]) -> SafeString | str:
    whole = sum(counts.values())
    if not whole:
        return cells.EMPTY
    stretches, at = [], 0.0
    for state in ORDER:
        if counts.get(state):
            end = at + 100 * counts[state] / whole
            stretches.append((state, f"{at:.2f}", f"{end:.2f}"))
            at = end
    words = in_words(counts)
    drawn = format_html(SVG, format_html_join("", LINE, stretches))
    return format_html('<span class="ty-use" title="{}">{}<small>{}</small></span>', words, drawn, words)


def in_words(counts: Mapping[JobState, int]) -> str:
    return ", ".join(f"{counts[state]} {state}" for state in ORDER if counts.get(state))
