"""`manage.py rotate_secrets`: all secrets encrypted anew with the first of TRAINYARD_SECRETS_KEYS."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from quotas.secrets.key_ring import NoKeysError
from quotas.secrets.rotation import rotate


class Command(BaseCommand):
    """May run while jobs do, and again after it broke off. Exit code 1 where a secret is left that no key opens."""

    help = (
        "Encrypt all secrets anew with the first key of TRAINYARD_SECRETS_KEYS; after that the others may be taken "
        "out of it (docs/operations/secrets.md). Shows no value."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            done = rotate()
        except NoKeysError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{done.done} secrets are encrypted with the first key.")
        if done.closed:
            names = "".join(f"\n  {one}" for one in done.closed)
            raise CommandError(f"No key opens these; put theirs back, or set them anew:{names}")
