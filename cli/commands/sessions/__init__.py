"""Commands that work beside a running job: a command, a terminal, a port.

May import the other rooms of `cli`, and no command outside it.
"""
