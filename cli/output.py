"""Words for the user and JSON for programs; nothing here needs more than a stream."""

import json
import sys
from collections.abc import Iterable
from typing import Any


def print_json(content: Any) -> None:
    """The server's answer, for a program."""
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    print(json.dumps(content, indent=2, ensure_ascii=not utf8))


def print_errors(lines: Iterable[str]) -> None:
    for line in lines:
        print(f"error: {visible(line)}", file=sys.stderr)


def note(text: str) -> None:
    """A word to the person at the terminal that is no part of the output."""
    print(visible(text), file=sys.stderr, flush=True)


def visible(text: Any) -> str:
    """The text on one line, with what could play tricks on a terminal made visible."""
    line = " ".join(str(text).split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
