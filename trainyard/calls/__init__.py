"""Python functions as jobs: what travels with a call, and the program that makes it on a node.

May import the words of `trainyard`. `run` goes along with every call as a file, so it may import nothing of ours and runs on Python 3.8.
Words: a *call* is a function with its arguments; what comes back is its *result* or its *failure*.
"""
