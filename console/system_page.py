"""The admin's page about the platform itself: the report that REST gives staff."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from api.v1.system.report import report


def show(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    return TemplateResponse(request, "console/system.html", {**context, "title": "System", **report()})
