"""What a check says when the core has not done what it should."""

from collections import Counter

CHECKED = Counter[str]()
"""How often each check has looked in this process: a check that never looks finds nothing."""


class Finding(Exception):  # noqa: N818 - it is what was looked for, no error of the fuzzer
    """Which check, at which moment of the world (seconds since its beginning), and what came."""

    def __init__(self, check: str, sentence: str, moment: float = 0.0) -> None:
        super().__init__(f"{check}: {sentence}")
        self.check = check
        self.sentence = sentence
        self.moment = moment


def expect(holds: object, check: str, sentence: str) -> None:
    """Raise a finding unless it holds."""
    CHECKED[check] += 1
    if not holds:
        raise Finding(check, sentence)
