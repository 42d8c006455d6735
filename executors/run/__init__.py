"""One placement that this agent runs: what it keeps in mind of it, its files, its log in chunks.

May import jobs, workers and the language of `scheduling`. Words: *placement run*, *state files* (what outlives the agent), *chunk*.
"""
