"""The keys by which values of secrets are encrypted: the first one encrypts, all of them decrypt."""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from scheduling.errors import ConflictError, UnavailableError

SETTING = "TRAINYARD_SECRETS_KEYS"
NO_KEYS = f"This platform keeps no secrets: its operator has not set {SETTING}."
HOW_TO_MAKE_ONE = "Each is 32 random bytes in base64: `openssl rand -base64 32 | tr '+/' '-_'` makes one."


class NoKeysError(ConflictError):
    """This installation has no keys, and so no secrets."""


def ring() -> MultiFernet:
    """Raises NoKeysError where the operator has named no key, and ValueError where one is none."""
    keys = [word.strip() for word in settings.SECRETS_KEYS.split(",") if word.strip()]
    if not keys:
        raise NoKeysError(NO_KEYS)
    return MultiFernet([Fernet(key) for key in keys])


def encrypt(value: str) -> bytes:
    return ring().encrypt(value.encode())


def decrypt(encrypted: bytes | memoryview, name: str) -> str:
    """Raises UnavailableError for a value of which no key is known any more."""
    try:
        return ring().decrypt(bytes(encrypted)).decode()
    except NoKeysError as error:
        raise UnavailableError(str(error)) from None
    except InvalidToken:
        words = f"No key of {SETTING} opens secret {name}: put back the key that it was encrypted with, or set it anew."
        raise UnavailableError(words) from None
