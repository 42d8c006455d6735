"""Commands about what was used, a module each: how much, and how it was shared.

May import the other rooms of `cli` but no command outside this one. Words: *usage*, *fairness statement*, as `docs/usage.md`
has them.
"""
