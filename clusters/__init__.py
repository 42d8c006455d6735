"""Clients of clusters that are not ours: how a Kubernetes or a Slurm is reached and asked. Knows nothing of jobs.

May import nothing of the platform but the language of `scheduling`. Executors and providers of quotas use it; it decides nothing.
"""
