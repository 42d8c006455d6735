"""Limits for signing in, at the admin's door and at that of the API alike.

Failed guesses are counted in the database (django-axes), so for all web processes together: a name is shut to an
address that failed too often, and stays open to its owner elsewhere. On top, each process lets an address, and a name,
try only so often.
"""

from collections.abc import Mapping
from hashlib import sha256
from ipaddress import ip_address
from typing import Any

from axes.backends import AxesStandaloneBackend
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle, SimpleRateThrottle
from rest_framework.views import APIView

from api.http.problems import Problem, for_people

LOCKED = "Too many failed sign-ins with this name from here."
TOO_OFTEN = "Too many sign-ins."


class SignInLimit(AxesStandaloneBackend):
    """Refuses a name to an address that failed with it too often. Who asks without a request is not at a door."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> None:
        if request is not None:
            super().authenticate(request, **credentials)


class SignInsFromAddress(SimpleRateThrottle):
    scope = "sign-in"

    def get_cache_key(self, request: Request, view: APIView) -> str:
        return self.cache_format % {"scope": self.scope, "ident": self.get_ident(request)}


class SignInsOfName(SimpleRateThrottle):
    """However many addresses somebody guesses from, one name can be tried only so often."""

    scope = "sign-in-name"

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        given = request.POST if isinstance(request, HttpRequest) else request.data
        name = given.get("username") if isinstance(given, Mapping | dict) else None
        ident = sha256(str(name).encode("utf-8", "replace")).hexdigest()
        return self.cache_format % {"scope": self.scope, "ident": ident} if name else None


def address_of(request: HttpRequest) -> str | None:
    """Of whoever signs in, behind as many proxies as TRAINYARD_PROXIES says."""
    found = BaseThrottle().get_ident(request)  # type: ignore[arg-type]  # it reads the headers alone
    try:
        return str(ip_address(found))
    except ValueError:
        return None


def too_often(request: HttpRequest) -> HttpResponse | None:
    """The refusal, for a form that was sent too often from this address or with this name."""
    throttles = (SignInsFromAddress(), SignInsOfName())
    refused = [one for one in throttles if not one.allow_request(request, None)]  # type: ignore[arg-type]
    if not refused:
        return None
    return refusal(request, TOO_OFTEN, max(one.wait() or 1 for one in refused))


def locked_out(request: HttpRequest, _response: Any, _credentials: Any) -> HttpResponse:
    """What axes answers with instead of the view."""
    return refusal(request, LOCKED, settings.AXES_COOLOFF_TIME.total_seconds())


def refusal(request: HttpRequest, sentence: str, wait: float) -> HttpResponse:
    seconds = max(1, round(wait))
    when = f"{round(seconds / 60)} minutes" if seconds > 90 else f"{seconds} seconds"  # noqa: PLR2004
    detail = f"{sentence} Try again in {when}."
    headers = {"Retry-After": str(seconds)}
    if not for_people(request):
        return Problem(429, detail, headers=headers).answer(request)
    page = render(request, "admin/too_many_sign_ins.html", {"title": "Log in", "sentence": detail}, status=429)
    page.headers["Retry-After"] = headers["Retry-After"]
    return page
