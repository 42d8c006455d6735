"""Setting what an operator says of a pool of nodes. Its nodes come and go by what the autoscaler decides of it then."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from scheduling.errors import FieldError, InvalidError
from workers.models import NodePool


@transaction.atomic
def set_pool(name: str, **fields: Any) -> NodePool:
    """Make the pool, or change the named fields of the one that there is. Raises InvalidError with every fault."""
    pool = NodePool.objects.select_for_update().filter(name=name).first() or NodePool(name=name)
    for field, value in fields.items():
        setattr(pool, field, value)
    try:
        pool.full_clean()
    except ValidationError as refused:
        raise InvalidError(_faults(refused)) from None
    if pool.pk:
        pool.save(update_fields=list(fields))
    else:
        pool.save()
    return pool


@transaction.atomic
def remove_pool(name: str) -> None:
    """Forget the pool. Nodes that are there stay; nobody asks for more of them."""
    NodePool.objects.filter(name=name).delete()


def _faults(refused: ValidationError) -> list[FieldError]:
    found = refused.message_dict.items()
    return [FieldError("name" if field == "__all__" else field, " ".join(words)) for field, words in found]
