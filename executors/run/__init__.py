"""One placement that this executor runs: what it keeps in mind of it, its files, its log in chunks, what its command finds in its environment.

May import jobs, workers and the language of `scheduling`. Words: *placement run*, *state files* (what outlives the agent), *chunk*.
"""
