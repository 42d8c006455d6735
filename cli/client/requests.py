"""`trainyard.http.requests`, as commands know it."""

from trainyard.http.requests import LONGEST_PAUSE_SECONDS, TIMEOUT, Row, Server, path_word, quick_server

__all__ = ["LONGEST_PAUSE_SECONDS", "TIMEOUT", "Row", "Server", "path_word", "quick_server"]
