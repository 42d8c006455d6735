"""Pools of nodes over REST: what each is to have, for autoscalers to read, and for staff to set.

May import http, and what jobs and workers know. Words: *pool*, *actuator*, as `docs/autoscaling.md` has them.
"""
