"""What the changelog says of a version: `python packaging/release_notes.py 0.2.0`.

The notes of a release are that, and without it there is none: exit code 1, with what to write.
"""

import re
import sys
from pathlib import Path

CHANGELOG = Path(__file__).parents[1] / "CHANGELOG.md"
SECTION = re.compile(r"^## (?:\[)?v?(?P<version>[^\]\s]+)(?:\])?(?: - (?P<date>\d{4}-\d{2}-\d{2}))?\s*$", re.MULTILINE)


def notes(changelog: str, version: str) -> str:
    """The section of that version; raises LookupError, in words, where there is none, or it has no date or no text."""
    found = list(SECTION.finditer(changelog))
    for one, after in zip(found, [*found[1:], None], strict=True):
        if one["version"] != version:
            continue
        text = changelog[one.end() : after.start() if after else len(changelog)].strip()
        if not one["date"] or not text:
            raise LookupError(
                f"CHANGELOG.md: the section of {version} needs a date (## {version} - 2030-01-31) and a text."
            )
        return text
    raise LookupError(
        f"CHANGELOG.md has no section of {version}: rename `## Unreleased` to `## {version} - 2030-01-31`, and begin a new one."
    )


if __name__ == "__main__":
    try:
        sys.stdout.write(notes(CHANGELOG.read_text(encoding="utf-8"), sys.argv[1].removeprefix("v")) + "\n")
    except LookupError as error:
        sys.exit(str(error))
