"""Workloads over REST: made, listed, looked at, and asked what is asked of all of their jobs.

May import http, the shapes of jobs, and what jobs know. Words: *workload*, *wanted*, as `docs/guide/workloads.md` has them.
"""
