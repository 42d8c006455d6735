"""Lists: a page at a time, and no question that we do not understand."""

import re
from typing import Any

from django.db.models import QuerySet
from django.db.utils import DataError
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.views import APIView

MAX_PAGE_SIZE = 200
CURSOR = re.compile(r"[A-Za-z0-9+/=]*")
PAGE_WORDS = frozenset({"cursor", "page_size", "ordering", "format"})


class Pages(CursorPagination):
    """Cursor pages in one of the view's `orderings` (a word and the unique expression behind it), its first by default.

    Unique, because a cursor that stands among equals would repeat rows or skip some.
    """

    page_size = 50
    max_page_size = MAX_PAGE_SIZE
    page_size_query_param = "page_size"
    page_size_query_description = f"Rows on a page, 1 to {MAX_PAGE_SIZE}."

    def paginate_queryset(self, queryset: Any, request: Request, view: APIView | None = None) -> Any:
        try:
            return super().paginate_queryset(queryset, request, view)
        except (ValueError, TypeError, DataError):
            raise _bad_cursor() from None

    def decode_cursor(self, request: Request) -> Cursor | None:
        if not CURSOR.fullmatch(request.query_params.get("cursor", "")):
            raise _bad_cursor()
        try:
            return super().decode_cursor(request)
        except NotFound:
            raise _bad_cursor() from None

    def get_page_size(self, request: Request) -> int:
        raw = request.query_params.get("page_size", str(self.page_size))
        if not raw.isascii() or not raw.isdigit() or not 1 <= int(raw[:9]) <= MAX_PAGE_SIZE:
            raise ValidationError({"page_size": f"Must be a whole number from 1 to {MAX_PAGE_SIZE}."})
        return int(raw)

    def get_ordering(self, request: Request, queryset: QuerySet[Any], view: APIView | None) -> tuple[str, ...]:
        orderings = orderings_of(view)
        word = request.query_params.get("ordering", next(iter(orderings)))
        if word not in orderings:
            raise ValidationError({"ordering": f"Must be one of {', '.join(orderings)}."})
        return (orderings[word],)

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        words = list(orderings_of(view))
        schema = {"type": "string", "enum": words, "default": words[0]}
        ordering = {"name": "ordering", "in": "query", "required": False, "schema": schema}
        return [*super().get_schema_operation_parameters(view), ordering]


class KnownFilters(DjangoFilterBackend):
    """The view's filters. A query parameter that nobody reads is refused: a typo must not show everything."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: APIView) -> QuerySet[Any]:
        filters = getattr(self.get_filterset_class(view, queryset), "base_filters", {})
        unknown = sorted(set(request.query_params) - set(filters) - PAGE_WORDS)
        if unknown:
            known = ", ".join([*filters, *sorted(PAGE_WORDS - {"format"})])
            raise ValidationError(dict.fromkeys(unknown, f"There is no such parameter. There are: {known}."))
        return super().filter_queryset(request, queryset, view)


def orderings_of(view: APIView | None) -> dict[str, str]:
    return getattr(view, "orderings", {"id": "id"})


def _bad_cursor() -> ValidationError:
    return ValidationError({"cursor": "Is not one of ours. Follow `next` and `previous` of an answer as they are."})
