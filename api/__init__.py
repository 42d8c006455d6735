"""REST: one small view for each operation, which parses, calls one function of `jobs` or `quotas`, and formats.

May import jobs, quotas, workers and scheduling.
"""
