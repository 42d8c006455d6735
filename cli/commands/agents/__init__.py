"""The command that agents start.

May import every other room of `cli`, and loads `agent_tools` by its name.
"""
