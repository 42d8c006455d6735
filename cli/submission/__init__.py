"""From what was typed, or a file of jobs, to what the server is asked to run.

May import options and client.
"""
