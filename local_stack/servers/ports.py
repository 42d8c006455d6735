"""TCP ports of this machine."""

import secrets
import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"
KERNELS = Path("/proc/sys/net/ipv4/ip_local_port_range")
FIRST = 20_000
TRIES = 50


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        # As servers do: a port whose last connections are still closing is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def answers(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server listens there."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def pick_free() -> int:
    """A port nobody listens on. The kernel gives it to nobody by itself, so it mostly stays free while its server is away."""
    those = range(FIRST, _first_of_the_kernels())
    for _ in range(TRIES if those else 0):
        port = secrets.choice(those)
        if is_free(port):
            return port
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _first_of_the_kernels() -> int:
    """From here on connections have their own end, and servers theirs that ask for any port."""
    try:
        return int(KERNELS.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return FIRST
