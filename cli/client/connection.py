"""`trainyard.http.connection`, as commands know it."""

from trainyard.http.connection import Connection, clean_url, find_connection, forget_login, save_login, saved_login

__all__ = ["Connection", "clean_url", "find_connection", "forget_login", "save_login", "saved_login"]
