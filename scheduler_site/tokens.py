"""Signing in: a name and a password for a token that expires, of which we keep only a hash."""

from typing import Any

from django.contrib.auth import authenticate
from drf_spectacular.utils import extend_schema
from knox.models import AuthToken
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed, NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from quotas.shapes import StrictSerializer, Text
from scheduler_site.signing_in import SignInsFromAddress, SignInsOfName


class SignIn(StrictSerializer):
    username = Text(150, help_text="As for the admin.")
    password = Text(200, write_only=True, help_text="Is checked and not kept.")


class Token(serializers.Serializer[Any]):
    token = serializers.CharField(help_text="Send it as `Authorization: Bearer TOKEN`. It is shown only this once.")
    expiry = serializers.DateTimeField(allow_null=True, help_text="Until then; null: for ever.")


class TokensView(APIView):
    """A token for a name and a password."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = (SignInsFromAddress, SignInsOfName)

    def get_authenticate_header(self, request: Request) -> str:
        return "Bearer"

    @extend_schema(request=SignIn, responses={201: Token}, operation_id="auth_tokens_create", auth=[])
    def post(self, request: Request) -> Response:
        wanted = SignIn.read(request.data)
        user = authenticate(request._request, **wanted)  # noqa: SLF001  Django's own request, for its signals
        if user is None:
            raise AuthenticationFailed("This name and this password do not belong together.")
        row, token = AuthToken.objects.create(user)
        return Response(Token({"token": token, "expiry": row.expiry}).data, status=201)


class CurrentTokenView(APIView):
    """The token that the request was made with."""

    @extend_schema(request=None, responses={204: None}, operation_id="auth_tokens_current_destroy")
    def delete(self, request: Request) -> Response:
        if not isinstance(request.auth, AuthToken):
            raise NotFound("This request carries no token.")
        request.auth.delete()
        return Response(status=204)
