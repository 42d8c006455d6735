"""The server, as commands speak to it: `trainyard.http`, which the client for Python has too, and what of it prints.

May import nothing of the other rooms of `cli` but its words.
"""
