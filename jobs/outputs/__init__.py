"""What attempts leave behind: outputs and checkpoints, listed and kept in the storage of code, and brought to where they are wanted.

May import code, state, storage and models. Words: *kept outputs* (of one placement), *coming* (its node has still to upload
them), *left out* (not kept, and said so).
"""
