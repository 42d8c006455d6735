"""`make engines`: one sweep of real training runs on agents, in a real Kubernetes and in a real Slurm, in one line.

It lies with the tests, because the Slurm and the Kubernetes are those that the tests start.
"""
