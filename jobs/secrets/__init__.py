"""Secrets that jobs name: which jobs wait because one is gone, and how a placement's agent is handed the values.

May import the rows of jobs, `jobs/state` and `quotas/secrets`. Words: *missing*, *sealed* (for one agent's question), *opener*.
"""
