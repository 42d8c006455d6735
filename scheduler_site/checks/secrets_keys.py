"""The keys of secrets: keys at all, and only where they belong."""

from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage

from quotas.secrets import key_ring
from scheduler_site import env
from scheduler_site.checks.findings import error, is_node


def check_secrets_keys(**_: Any) -> Iterator[CheckMessage]:
    """Without any, no secrets are kept: that is no fault."""
    if is_node():
        if env.given(key_ring.SETTING):
            words = f"An agent is given {key_ring.SETTING}, which jobs could read there."
            yield error(70, words, "Take it out of the agent's environment: the site's web processes alone need it.")
        return
    try:
        key_ring.ring()
    except key_ring.NoKeysError:
        return
    except ValueError:
        yield error(70, f"{key_ring.SETTING} holds something that is no key.", key_ring.HOW_TO_MAKE_ONE)
