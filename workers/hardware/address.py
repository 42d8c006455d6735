"""Where other nodes reach this one."""

import contextlib
import ipaddress
import socket
from collections.abc import Iterable

ELSEWHERE = ("192.0.2.1", "2001:db8::1")
"""Addresses that nobody has: the way to them is the default route's."""
ANY_PORT = 9
LOOPBACK = "127.0.0.1"


def detect(peers: Iterable[str]) -> str:
    """The address with which this machine speaks to its peers (the database, the broker), or else to the world.

    Nothing is sent. A machine that has peers on itself alone and no way out is reached on loopback.
    """
    found = (address_towards(peer) for peer in (*peers, *ELSEWHERE))
    return next((address for address in found if address and not ipaddress.ip_address(address).is_loopback), LOOPBACK)


def address_towards(peer: str) -> str | None:
    """The local end of the way to `peer`; None if there is no way, or no such name."""
    with contextlib.suppress(OSError, UnicodeError):
        family, kind, protocol, _, target = socket.getaddrinfo(peer, ANY_PORT, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as way:
            way.connect(target)
            return str(way.getsockname()[0]).partition("%")[0]
    return None
