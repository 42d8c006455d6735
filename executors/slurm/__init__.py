"""The engine of Slurm clusters: attempts as batch jobs, their files in a folder that the bridge and the nodes share.

May import clusters, run and engine. Words: *workload folder* (all that one attempt has in the shared folder), *owner* (the
Slurm job that may run it: whoever made the file first), *ending* (a member's own word on how its command ended), *sign*.
"""
