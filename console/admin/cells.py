"""The small pieces of HTML that the admin's tables are made of. Everything that comes from a user is escaped here."""

from datetime import timedelta
from typing import Any

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from scheduling.priorities import class_of

EMPTY = "–"
MINUTE, HOUR, DAY = 60, 3600, 86_400


def badge(word: str, title: str = "") -> SafeString:
    """A word on the colour that admin.css has for it; the word says it all to those who see no colour."""
    return format_html('<span class="ty-badge ty-{}" title="{}">{}</span>', word, title, word)


def bar(part: float, whole: float, text: str) -> SafeString:
    """A bar filled to `part` of `whole`, with its figures over it."""
    fill = "over" if part > whole else "full" if part and part == whole else "some"
    return format_html(
        '<span class="ty-bar ty-bar-{}">{} <progress max="{}" value="{}" aria-hidden="true"></progress></span>',
        fill, text, whole or 1, min(part, whole or 1),
    )  # fmt: skip


def progress(share: float | None) -> SafeString | str:
    if share is None:
        return EMPTY
    return format_html(
        '<span class="ty-bar">{} <progress max="1" value="{}" aria-label="progress"></progress></span>',
        f"{share:.0%}", share,
    )  # fmt: skip


def duration(span: timedelta | None) -> str:
    """A span of time in its two largest units: 42s, 3m 05s, 2h 40m, 3d 4h."""
    if span is None:
        return EMPTY
    seconds = max(0, int(span.total_seconds()))
    if seconds < MINUTE:
        return f"{seconds}s"
    if seconds < HOUR:
        return f"{seconds // MINUTE}m {seconds % MINUTE:02}s"
    if seconds < DAY:
        return f"{seconds // HOUR}h {seconds % HOUR // MINUTE:02}m"
    return f"{seconds // DAY}d {seconds % DAY // HOUR}h"


def gigabytes(megabytes: float) -> str:
    return f"{megabytes / 1024:.0f} GB" if megabytes >= 1024 else f"{megabytes:.0f} MB"  # noqa: PLR2004  MB in a GB


def priority(number: int) -> SafeString:
    word = class_of(number)
    return format_html('<span class="ty-priority ty-{}">{}<br><small>{}</small></span>', word, number, word)


def link(url_name: str, pk: Any, text: Any) -> SafeString:
    """The text as a link to the admin page of one row, say `link("jobs_job", 7, "job 7")`."""
    return format_html('<a href="{}">{}</a>', reverse(f"admin:{url_name}_change", args=[pk]), text)


def list_link(url_name: str, query: str, text: Any) -> SafeString:
    """The text as a link to an admin list under these filters, say `list_link("jobs_job", "state=running", 3)`."""
    return format_html('<a href="{}?{}">{}</a>', reverse(f"admin:{url_name}_changelist"), query, text)
