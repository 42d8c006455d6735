"""Schedules over REST: jobs that are submitted at certain times.

May import http, the shapes of jobs, and what jobs know. Words: as `docs/guide/schedules.md` has them.
"""
