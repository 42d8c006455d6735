"""The engine for clusters of Kubernetes: an attempt as a Job, watched, stopped with its grace, its ends in the cluster's own words.

May import `clusters`, `executors/engine.py`, `executors/run`, jobs for what a placement is, and the language of `scheduling`.
Words: *member* (one rank of a workload, one pod), *reporter* (the container beside the command that ships its reports).
"""
