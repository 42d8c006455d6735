"""GPU time ahead: what running jobs may still use up to their limits, where quotas limit that (Slurm's `GrpTRESRunMins`).

May import the rest of sharing. `meter` says how much of it each running job has, `room` what quotas still allow in a pass
and when it will be enough, `reasons` tells that in words.
"""
