"""Commands about what jobs cost and use, a module each: what was paid, what an hour costs, what was used, what may be spent.

May import the other rooms of `cli` but no command outside this one. Words: *price*, *costs*, as `docs/costs.md` has them; *budget*, as
`docs/budgets.md` has it.
"""
