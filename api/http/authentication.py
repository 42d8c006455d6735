"""Who is asking: a token in the Authorization header. Apart from `tokens.py`, because views load it while they load."""

from typing import Any

from knox.auth import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed


class BearerTokens(TokenAuthentication):
    """`Authorization: Bearer TOKEN`; bytes that are no token are a wrong token, not a failure of ours."""

    def authenticate_credentials(self, token: bytes) -> Any:
        try:
            return super().authenticate_credentials(token)
        except UnicodeError:
            raise AuthenticationFailed("Invalid token.") from None
