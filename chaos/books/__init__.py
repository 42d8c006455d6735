"""The books under a storm: a cohort with quotas, prices and budgets, and what its records have to show of limits and costs.

May import `chaos/` but its drills. Words: *member* (a project of the cohort), *booked* (a placement as the books have it).
"""
