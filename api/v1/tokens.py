"""Tokens, of which we keep only a hash: got for a name and a password or by another token, listed, taken back."""

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.contrib.auth import authenticate
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from knox.models import AuthToken
from knox.settings import knox_settings
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed, NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.http.permissions import caller
from api.http.shapes import StrictSerializer, Text, Whole
from api.http.signing_in import SignInsFromAddress, SignInsOfName
from jobs.models import TokenCaps
from scheduling.errors import ConflictError, FieldError, InvalidError, NotFoundError
from scheduling.sharing.prices import PLACES

LONGEST_DAYS = 3650
CAPS = ("max_gpus", "max_cost", "cost_days")
MOST_TOKENS = 100
"""Live ones of one user: a script that asks for a new one each time is told so before the table is full of them."""


class SignIn(StrictSerializer):
    username = Text(150, help_text="As for the admin.")
    password = Text(200, write_only=True, help_text="Is checked and not kept.")


class Token(serializers.Serializer[Any]):
    token = serializers.CharField(help_text="Send it as `Authorization: Bearer TOKEN`. It is shown only this once.")
    expiry = serializers.DateTimeField(allow_null=True, help_text="Until then; null: for ever.")


class TokenIn(StrictSerializer):
    days = Whole(
        LONGEST_DAYS, least=1, required=False, help_text="How long it lasts; no longer than the token that asks for it."
    )
    max_gpus = Whole(2**31 - 1, required=False, help_text="Of all its jobs together that are not over.")
    max_cost = serializers.DecimalField(
        13,
        PLACES,
        min_value=Decimal(0),
        required=False,
        help_text="Of its jobs, each up to its limit until it is over.",
    )
    cost_days = Whole(
        LONGEST_DAYS, least=1, required=False, help_text="max_cost is for the jobs of so many days. Default: for all."
    )

    def validate(self, wanted: dict[str, Any]) -> dict[str, Any]:
        if "cost_days" in wanted and "max_cost" not in wanted:
            raise serializers.ValidationError({"cost_days": ["Says for which days max_cost is: give that, too."]})
        return wanted


class TokenOut(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="Its first characters, by which it is known; it lets nobody in.")
    created = serializers.DateTimeField(help_text="Since when it is there.")
    expiry = serializers.DateTimeField(allow_null=True, help_text="When it ends; null: never.")
    current = serializers.BooleanField(help_text="It is the token of this request.")
    max_gpus = serializers.IntegerField(allow_null=True, help_text="Its cap of GPUs at once; null: none.")
    max_cost = serializers.DecimalField(13, PLACES, allow_null=True, help_text="Its cap of cost; null: none.")
    cost_days = serializers.IntegerField(allow_null=True, help_text="Of so many days; null: as long as it lasts.")


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


class OwnTokensView(APIView):
    @extend_schema(operation_id="auth_tokens_own_list", responses=TokenOut(many=True))
    def get(self, request: Request) -> Response:
        """Your own tokens that have not ended, the newest first."""
        rows = live_tokens(request).order_by("-created", "digest")
        capped = caps_by_digest([row.digest for row in rows])
        return Response([described(row, request, capped.get(row.digest)) for row in rows])

    @extend_schema(operation_id="auth_tokens_own_create", request=TokenIn, responses={201: Token})
    @transaction.atomic
    def post(self, request: Request) -> Response:
        """Another token for yourself, say for a script: it can be taken back without the others.

        It ends no later than the token that asked for it, so that whoever finds a token cannot make it last. With
        `max_gpus` or `max_cost` it is capped, say for an agent: it may look, and submit, quote, edit, cancel, pause
        and hold jobs, and no more than that.
        """
        wanted = TokenIn.read(request.data)
        ends = ends_within(request, wanted.pop("days", None))
        if live_tokens(request).count() >= MOST_TOKENS:
            raise ConflictError(f"You have {MOST_TOKENS} tokens: take back those that you do not use.")
        row, token = AuthToken.objects.create(caller(request), expiry=ends)
        if wanted:
            TokenCaps.objects.create(digest=row.digest, **wanted)
        return Response(Token({"token": token, "expiry": row.expiry}).data, status=201)


class OwnTokenView(APIView):
    @extend_schema(operation_id="auth_tokens_own_destroy", responses={204: None})
    def delete(self, request: Request, token_id: str) -> Response:
        """Take back one of your own tokens: it lets nobody in any more."""
        if not live_tokens(request).filter(token_key=token_id).delete()[0]:
            raise NotFoundError(f"You have no token {token_id}.")
        return Response(status=204)


def live_tokens(request: Request) -> "QuerySet[AuthToken]":
    not_ended = Q(expiry__isnull=True) | Q(expiry__gt=timezone.now())
    tokens: QuerySet[AuthToken] = AuthToken.objects.filter(not_ended, user=caller(request))
    return tokens


def caps_by_digest(digests: Iterable[str]) -> dict[str, TokenCaps]:
    return TokenCaps.objects.in_bulk(list(digests), field_name="digest")


def described(row: AuthToken, request: Request, caps: TokenCaps | None) -> dict[str, Any]:
    current = isinstance(request.auth, AuthToken) and request.auth.pk == row.pk
    told = {"id": row.token_key, "created": row.created, "expiry": row.expiry, "current": current}
    return TokenOut(told | {name: getattr(caps, name, None) for name in CAPS}).data


def ends_within(request: Request, days: int | None) -> timedelta:
    """How long a token may last that is asked for with this request. Raises InvalidError."""
    longest: timedelta = knox_settings.TOKEN_TTL
    asking = request.auth.expiry if isinstance(request.auth, AuthToken) else None
    if asking is not None:
        longest = min(longest, asking - timezone.now())
    if days is None:
        return longest
    if timedelta(days=days) > longest:
        hours = longest.total_seconds() / 3600
        words = f"At most {hours / 24:.1f}: then the token that asks for it ends. Log in again for a longer one."
        raise InvalidError([FieldError("days", words, "too_long")])
    return timedelta(days=days)
