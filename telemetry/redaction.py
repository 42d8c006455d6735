"""What never stands in a line: passwords, tokens, what a row that the database refused holds.

What is known (the secrets of the settings) goes by its value, wherever it stands; the rest by how it looks. So a secret
that a library puts into an error goes as well.
"""

import re
from collections.abc import Iterable
from urllib.parse import quote, unquote, urlsplit

HIDDEN = "***"
SHORTEST = 6
"""A shorter secret is left to the patterns: taken out wherever it stands, it would take words apart."""

PATTERNS = (
    (re.compile(r"(://[^\s:/@]*:)[^\s@/]+@"), rf"\1{HIDDEN}@"),
    (re.compile(r"\b(Bearer|Basic) +[\w.~+/=-]{6,}", re.IGNORECASE), rf"\1 {HIDDEN}"),
    (re.compile(r"(Failing row contains )\(.*\)", re.DOTALL), rf"\1({HIDDEN})"),
    (
        re.compile(
            r"""([\w.-]*(?:password|passwd|secret|token|api[_-]?key|access[_-]?key|credentials?)[\w.-]*["']?\s?[=:]\s?["']?)[^\s"',;&)}\]]+""",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
)


class Redaction:
    """Takes secrets out of texts. Of an address the password alone is one."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        words = {form for secret in secrets for word in _secret_parts(secret) for form in (word, quote(word, safe=""))}
        known = sorted((word for word in words if len(word) >= SHORTEST), key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def clean(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        for pattern, instead in PATTERNS:
            text = pattern.sub(instead, text)
        return text


def _secret_parts(secret: str) -> Iterable[str]:
    if "://" not in secret:
        return [secret]
    try:
        passwords = [urlsplit(url).password for url in secret.split(";")]
    except ValueError:
        return [secret]
    return [unquote(word) for word in passwords if word]
