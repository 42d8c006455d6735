"""Staying through a server's restart, and saying so."""

from cli.output import note
from trainyard.http import patience


class Patience(patience.Patience):
    """Tells the user at the terminal once that the server is silent."""

    def __init__(self, seconds: float = patience.SECONDS) -> None:
        super().__init__(seconds, tell=note)
