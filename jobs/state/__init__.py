"""The states of jobs and placements and what is wished of them: only `transitions` changes a state.

May import models. Words: *transition*, *desired* (what the agent is asked to do), *outcome* (how a placement ended), *alert*.
"""
