"""GET /metrics, for Prometheus: with the token of TRAINYARD_METRICS_TOKEN, or as staff."""

import logging

from django.conf import settings
from django.core.cache import cache
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from api.http.authentication import BearerTokens
from api.http.problems import RETRY_SECONDS, Problem
from api.v1 import health
from jobs.reports.metrics.exposition import exposition
from jobs.reports.metrics.families import as_text, gauge, gauges

logger = logging.getLogger(__name__)
REMEMBERED_SECONDS = 2  # several Prometheus servers that scrape at once cost one look at the database
GONE = ("08", "57P")
"""PostgreSQL's states of connections that broke, and of a server that ends or begins."""
REFUSAL = (
    "Metrics are for staff, and for whoever has the token of TRAINYARD_METRICS_TOKEN: Authorization: Bearer TOKEN."
)


@csrf_exempt
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Everything about jobs, cycles, predictions and machines; while the database is away, that it is, and what is known without it."""
    try:
        if not (_has_our_token(request) or _is_staff(request)):
            return Problem(401, REFUSAL, headers={"WWW-Authenticate": "Bearer"}).answer(request)
        body = cache.get("metrics") or exposition() + servers(database_up=True)
    except (OperationalError, InterfaceError) as error:
        logger.warning("The database did not answer a scrape: %s", str(error).strip())
        return _without_database(request, away=not _answered(error))
    cache.add("metrics", body, REMEMBERED_SECONDS)
    return HttpResponse(body, content_type=CONTENT_TYPE_LATEST)


def _answered(error: Exception) -> bool:
    """Whether a server that goes on said so, as of a statement that took too long: it names a state, and none of its own end."""
    state = getattr(error.__cause__, "sqlstate", None)
    return state is not None and not state.startswith(GONE)


def _without_database(request: HttpRequest, *, away: bool) -> HttpResponse:
    """For our own token: whether somebody else is staff is not known without it.

    With status 200, as Prometheus reads nothing of another answer. What comes from the database is left out: it would stand
    still, and look well. Where it is not away, a scrape has failed.
    """
    if not (away and _has_our_token(request)):
        detail = "The database does not answer at the moment. Ask again soon."
        return Problem(503, detail, headers={"Retry-After": str(RETRY_SECONDS)}).answer(request)
    return HttpResponse(servers(database_up=False), content_type=CONTENT_TYPE_LATEST)


def servers(*, database_up: bool) -> bytes:
    """Which of the servers behind this site answer."""
    text = "Whether the database answers this site; without it there are no samples but of the servers."
    up = [("database", database_up), ("broker", not health.fault_of(health.broker))]
    answers = gauges("server_up", "Whether the server answers this site.", ("server",), up)
    return as_text([gauge("database_up", text, database_up), answers])


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
