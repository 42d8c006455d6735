"""Encrypting all secrets anew with the first key of the ring, so that the others may be forgotten."""

from dataclasses import dataclass

from cryptography.fernet import InvalidToken
from django.db import transaction

from quotas.secrets import key_ring
from quotas.secrets.rows import Secret

BATCH = 200


@dataclass(frozen=True, slots=True)
class Rotation:
    """How many were encrypted anew, and which no key opens: as `project vision: NAME`."""

    done: int
    closed: tuple[str, ...]


def rotate() -> Rotation:
    """A few rows at a time, each locked meanwhile: what somebody sets in between is not overwritten."""
    done, closed, last = 0, list[str](), 0
    ring = key_ring.ring()
    while True:
        with transaction.atomic():
            rows = Secret.objects.select_for_update(of=("self",)).select_related("project", "user")
            batch = list(rows.filter(pk__gt=last).order_by("pk")[:BATCH])
            for row in batch:
                try:
                    row.encrypted = ring.rotate(bytes(row.encrypted))
                except InvalidToken:
                    closed.append(f"{f'project {row.project}' if row.project else f'user {row.user}'}: {row.name}")
                    continue
                row.save(update_fields=["encrypted"])
                done += 1
        if not batch:
            return Rotation(done, tuple(closed))
        last = batch[-1].pk
