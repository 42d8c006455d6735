"""GET /metrics, for Prometheus: with the token of TRAINYARD_METRICS_TOKEN, or as staff."""

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from jobs.metrics import exposition
from scheduler_site.authentication import BearerTokens

REMEMBERED_SECONDS = 2  # several Prometheus servers that scrape at once cost one look at the database
REFUSAL = (
    "Metrics are for staff, and for whoever has the token of TRAINYARD_METRICS_TOKEN: Authorization: Bearer TOKEN.\n"
)


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Everything about jobs, cycles, predictions and machines."""
    if not (_has_our_token(request) or _is_staff(request)):
        return HttpResponse(REFUSAL, status=401, content_type="text/plain", headers={"WWW-Authenticate": "Bearer"})
    body = cache.get("metrics") or exposition()
    cache.add("metrics", body, REMEMBERED_SECONDS)
    return HttpResponse(body, content_type=CONTENT_TYPE_LATEST)


def _has_our_token(request: HttpRequest) -> bool:
    given = request.headers.get("Authorization", "")
    ours = settings.METRICS_TOKEN
    return bool(ours) and constant_time_compare(given, f"Bearer {ours}")


def _is_staff(request: HttpRequest) -> bool:
    """By the session of the admin, or by a token of a member of staff."""
    if request.user.is_staff:
        return True
    try:
        found = BearerTokens().authenticate(Request(request))
    except AuthenticationFailed:
        return False
    return found is not None and bool(found[0].is_staff)
