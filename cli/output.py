"""Words for the user and JSON for programs; nothing here needs more than a stream."""

import json
import sys
from collections.abc import Iterable
from typing import Any

_speaks_json = False


def speak_json(*, on: bool) -> None:
    """Whether errors are for a program, too: one JSON document on standard error."""
    global _speaks_json  # noqa: PLW0603  one process, one command
    _speaks_json = on


def print_json(content: Any) -> None:
    """The server's answer, for a program."""
    print(as_json(content))


def as_json(content: Any) -> str:
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    return json.dumps(content, indent=2, ensure_ascii=not utf8)


def print_failure(kind: str, code: int, lines: Iterable[str], **more: Any) -> None:
    """Why the command ended early: a line each for a person, one document for a program."""
    if _speaks_json:
        print(as_json({"error": {"kind": kind, "exit_code": code, "messages": list(lines), **more}}), file=sys.stderr)
    else:
        print_errors(lines)


def print_errors(lines: Iterable[str]) -> None:
    for line in lines:
        print(f"error: {visible(line)}", file=sys.stderr)


def note(text: str) -> None:
    """A word to the person at the terminal that is no part of the output; a program gets none of them."""
    if not _speaks_json:
        print(visible(text), file=sys.stderr, flush=True)


def visible(text: Any) -> str:
    """The text on one line, with what could play tricks on a terminal made visible."""
    return printable(" ".join(str(text).split()))


def quote(line: str) -> None:
    """A line that somebody else wrote, indented as it was, for the person at the terminal."""
    if not _speaks_json:
        print(f"  {printable(line.expandtabs())}".rstrip(), file=sys.stderr, flush=True)


def printable(line: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
