"""Several byte streams in one: frames, and how much each side may send. Pure; what carries the bytes is elsewhere.

The command line and the agents speak it with each other, so it imports the standard library alone and nothing of ours.
Words: a *stream* is one direction of bytes or both, by its number; *room* is how many bytes its sender may still send.
"""
