"""Commands about money, a module each: what was paid, and what things cost an hour.

May import the other rooms of `cli` but no command outside this one. Words: *price*, *costs*, as `docs/costs.md` has them.
"""
