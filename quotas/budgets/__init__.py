"""How much a project may spend over time: budgets of money or GPU-hours, by the day, week or month or once, and what was spent.

May import scheduling, `quotas/costs` and the rows of quotas; knows neither jobs nor nodes. Nothing is counted: what is spent is
read from the ledger. Words: *budget*, *period* (by the calendar of the budget's zone), *hard* (nothing starts that it could not
pay for to its end) and *soft* (it only warns), *spent*, *committed* (to what runs, up to its limits),
*alert* (told once a period, delivered by e-mail and webhook).
"""
