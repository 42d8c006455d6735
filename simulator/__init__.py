"""Replays a trace through the very planner of the platform: on a clock of its own, without a server.

Imports `scheduling` alone; nothing imports it but the command line and benchmarks. Words: *trace*, *replay*.
"""
