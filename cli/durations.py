"""`trainyard.durations`, as commands know it."""

from trainyard.durations import parse_duration, parse_moment, parse_timestamp, spell, spell_between, spell_moment

__all__ = ["parse_duration", "parse_moment", "parse_timestamp", "spell", "spell_between", "spell_moment"]
