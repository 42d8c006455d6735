"""`trainyard simulate`, the one command that works without a server: its options and its results.

The only room that may import the simulator.
"""
