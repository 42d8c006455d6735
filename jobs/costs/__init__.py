"""Where placements meet money: what each holds, what is set aside for it, what it cost, and what a job has cost so far.

May import state, models, and what keeps the books: `quotas/costs`. Who has no prices pays nothing here, nor a statement more.
"""
