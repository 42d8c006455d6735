"""Plans of a pool of processors, made by counting: what the planner would start, job by job, in a small part of the time.

Knows nothing of traces: `pool_scheduler.py` is told who arrives and who ends, and says who starts. May import
`scheduling`, and nothing of the simulator.
"""
