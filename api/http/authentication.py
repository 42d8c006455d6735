"""Who is asking: a token in the Authorization header. Apart from `tokens.py`, because views load it while they load."""

import re
from typing import Any

from knox.auth import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from jobs.models import TokenCaps
from scheduling.errors import ForbiddenError

CAPPED_MAY = re.compile(
    r"/api/v1/(jobs|jobs/batch|jobs/quote|jobs/cancel|jobs/\d+/(cancel|clone|pause|hold)|templates/[^/]+/(jobs|quote)|snapshots|snapshots/\d+/(blobs|complete)|auth/tokens/current)/?"
)
"""What a capped token posts: it submits, and has jobs end or rest. All else could take what it is capped for."""
CAPPED_EDITS = re.compile(r"/api/v1/jobs/\d+/?")
"""What it changes: a job, of which `jobs/editing` asks whether it is its own, and whether the caps pay for what it becomes."""
REFUSED = "This token is capped: it may look, submit, edit its jobs, clone, quote, cancel, pause and hold. Use one without caps for the rest."


class BearerTokens(TokenAuthentication):
    """`Authorization: Bearer TOKEN`; bytes that are no token are a wrong token, not a failure of ours."""

    def authenticate(self, request: Request) -> Any:
        found = super().authenticate(request)
        if found is None or request.method in SAFE_METHODS:
            return found
        caps = TokenCaps.objects.filter(digest=found[1].digest).first()
        if caps is not None:
            _refuse_what_is_not_for_it(request)
        found[1].found_caps = caps
        return found

    def authenticate_credentials(self, token: bytes) -> Any:
        try:
            return super().authenticate_credentials(token)
        except UnicodeError:
            raise AuthenticationFailed("Invalid token.") from None


def caps_of(request: Request) -> TokenCaps | None:
    """The caps of the token of a request that changes something; None: it has none, or there is no token."""
    return getattr(request.auth, "found_caps", None)


def _refuse_what_is_not_for_it(request: Request) -> None:
    allowed = CAPPED_EDITS if request.method == "PATCH" else CAPPED_MAY
    if not allowed.fullmatch(request.path):
        raise ForbiddenError(REFUSED)
