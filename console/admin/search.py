"""Finding jobs and their history by the job's number, on an index, however long the history is."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest


class FoundByNumber:
    """A search for a bare number (7 or #7) is for the job of that id; anything else is for text."""

    number_field = "pk"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        number = search_term.strip().removeprefix("#")
        if number.isascii() and number.isdigit():
            return queryset.filter(**{self.number_field: int(number)}), False
        found: tuple[QuerySet[Any], bool] = super().get_search_results(request, queryset, search_term)  # type: ignore[misc]  # a mixin of ModelAdmin
        return found
