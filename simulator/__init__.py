"""Replays a trace through the very planner of the platform: on a clock of its own, without a server."""
