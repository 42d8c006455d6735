"""The web server of this machine, as its callers see it."""

import http.client

from local_stack.servers.ports import LOOPBACK


def answers(port: int) -> bool:
    """Whether a request is answered there, by no error of the server: it takes connections before it can."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status < http.client.INTERNAL_SERVER_ERROR
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
