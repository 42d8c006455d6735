"""What was used: hours summed up on record, and reports made of them and of what has happened since.

Beside them, numbers of what jobs have done that only grow, for Prometheus (`job_counts`).

May import state and models, and of the core the calendar and shares of `scheduling/sharing`. Words: *usage hour*, *roll-up*
(an hour that is over is summed up once), *held* (split at the borders of hours), *booked with the end* (all that is known
only then).
"""
