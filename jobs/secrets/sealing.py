"""Values on their way from the site to one agent: sealed for a key that the agent made for this once, and keeps in memory alone.

HPKE (RFC 9180). Whoever listens on the network, or reads what a proxy wrote down, learns nothing; who may ask at all is
decided by whoever seals.
"""

import json
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
KEY_BYTES = 32


def seal(values: Mapping[str, str], public_key: bytes, placement_id: int) -> bytes:
    """Raises ValueError for what is no public key."""
    key = X25519PublicKey.from_public_bytes(public_key)
    return SUITE.encrypt(json.dumps(values).encode(), key, _purpose(placement_id))


class Opener:
    """Opens what is sealed for it, and for its placement."""

    def __init__(self, placement_id: int) -> None:
        self._key = X25519PrivateKey.generate()
        self._purpose = _purpose(placement_id)

    @property
    def public_key(self) -> bytes:
        return self._key.public_key().public_bytes_raw()

    def open(self, sealed: bytes) -> dict[str, str]:
        """Raises ValueError for what was not sealed for it."""
        try:
            values: dict[str, str] = json.loads(SUITE.decrypt(sealed, self._key, self._purpose))
        except InvalidTag as error:
            raise ValueError("not sealed for this placement") from error
        return values


def _purpose(placement_id: int) -> bytes:
    return f"trainyard secrets of placement {placement_id}".encode()
