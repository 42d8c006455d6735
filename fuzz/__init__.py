"""Random worlds played forward for simulated days: whether the core is safe at every moment and keeps its word over time.

Imports `scheduling` alone; nothing imports it. Words: *world* (a scenario drawn from a seed), *finding*, *shrinking*.
"""
