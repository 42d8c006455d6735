"""The commands, loaded one at a time by `cli.main`: each parses, asks the server once, and has the answer shown.

May import every other room of `cli`.
"""
