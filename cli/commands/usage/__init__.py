"""Commands about what was used, a module each: how much, how it was shared, and how long jobs are kept.

May import the other rooms of `cli` but no command outside this one. Words: *usage*, *fairness statement*, as `docs/usage.md`
has them.
"""
