"""Posting to addresses that users name: over TLS, to public machines alone, signed, and without following anybody elsewhere."""

import hashlib
import hmac
import socket
import ssl
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from scheduling.errors import FieldError, UnavailableError

SIGNATURE = "Trainyard-Signature"
SECONDS = 10.0
LEAST_SECRET = 16
PORTS = {"https": 443, "http": 80}


def faults_of(url: str, secret: str) -> list[FieldError]:
    """What is wrong with an address and its secret, as far as that can be said without asking anybody."""
    faults = []
    try:
        parts = urlsplit(url)
        known = bool(parts.hostname) and parts.username is None and (parts.port or 1) > 0
    except ValueError:
        known = False
    if not known or not url.isascii() or any(character <= " " for character in url):
        faults.append(FieldError("webhook_url", "Must be an address such as https://example.org/hook, without a user."))
    elif parts.scheme != "https" and not (parts.scheme == "http" and _is_allowed(parts)):
        words = "Must begin with https://, but for hosts that the operator allows (TRAINYARD_WEBHOOK_HOSTS)."
        faults.append(FieldError("webhook_url", words, "scheme"))
    if len(secret) < LEAST_SECRET:
        words = f"Alerts are signed with it: at least {LEAST_SECRET} characters, said anew with each address."
        faults.append(FieldError("webhook_secret", words, "too_short"))
    return faults


def post(url: str, secret: str, body: bytes, moment: int) -> None:
    """Raises UnavailableError with what went wrong: not reached, not allowed, or no 2xx."""
    parts = urlsplit(url)
    target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    headers = {"Content-Type": "application/json", SIGNATURE: signature(secret, body, moment)}
    try:
        connection = _connected(parts)
        try:
            connection.request("POST", target, body, headers)
            status = connection.getresponse().status
        finally:
            connection.close()
    except (OSError, HTTPException, ValueError) as error:
        raise UnavailableError(f"{type(error).__name__}: {error}") from error
    if not 200 <= status < 300:  # noqa: PLR2004  successes, as HTTP has them
        raise UnavailableError(f"It answered {status}.")


def signature(secret: str, body: bytes, moment: int) -> str:
    """`t=...,v1=...`: the HMAC-SHA256 of the moment, a point and the body, so that an old one cannot be sent again."""
    signed = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={signed}"


def _connected(parts: SplitResult) -> HTTPConnection:
    """To the very machine that was looked at: a name that is asked twice may answer otherwise."""
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    plain = socket.create_connection((_address(parts, host, port), port), SECONDS)
    if parts.scheme == "http":
        connection = HTTPConnection(host, port, timeout=SECONDS)
        connection.sock = plain
        return connection
    secure = HTTPSConnection(host, port, timeout=SECONDS)
    try:
        secure.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=host)
    except OSError:
        plain.close()
        raise
    return secure


def _address(parts: SplitResult, host: str, port: int) -> str:
    addresses = [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if not _is_allowed(parts) and not all(
        ip_address(one).is_global and not ip_address(one).is_multicast for one in addresses
    ):
        raise OSError(f"{host} is not a public machine, and not allowed by the operator.")
    return addresses[0]


def _is_allowed(parts: SplitResult) -> bool:
    return (parts.hostname or "") in settings.WEBHOOK_HOSTS
