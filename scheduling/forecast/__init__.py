"""The plan played forward: predicted starts, what would start a job now, how long jobs will run.

The top of the tower: may import every room of `scheduling`. Words: *rollout* (one possible future), *runtime assumption*,
*blocker* (whose end clears a reason), *outlook*, *what-if*.
"""
