"""The platform from Python: `Client`, and what it hands out: jobs, workloads, quotes, their logs, metrics, outputs and results.

May import calls, code, http and the words of `trainyard`. A module a thing; `trainyard.Client` loads them, so what a training
script imports stays as small as it is.
"""
