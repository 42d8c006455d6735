"""What keeps the local stack from starting."""


class StackError(Exception):
    """A sentence for the person at the terminal: what is wrong, and which setting or action helps."""
