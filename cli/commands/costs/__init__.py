"""Commands about what jobs cost and use, a module each: what was paid, what things cost an hour, what was used of what was held.

May import the other rooms of `cli` but no command outside this one. Words: *price*, *costs*, as `docs/costs.md` has them.
"""
