"""The whole platform on one machine: `manage.py up`, `demo`, `pool`, `backup` and `restore`.

The top of the house: may import everything below it. Nobody imports it but drills and benchmarks.
"""
