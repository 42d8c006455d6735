"""Replays of a pool of processors that only count: what the planner would start, job by job, in a small part of the time.

The scheduler (`pool_scheduler.py`, with the line, the overdue and the ends of what runs beside it) knows nothing of traces; `replay.py`
takes a trace through it, and says when it may stand in for the planner. May import the rest of the simulator but the
experiment, which chooses between the two.
"""
