"""A page of the admin that shows more of its object than its form does."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse


class PageContext(admin.ModelAdmin):  # type: ignore[type-arg]  # generic for mypy alone
    """What `page_context` answers of an object is given to the template of its page."""

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        raise NotImplementedError

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        if obj is not None:
            context.update(self.page_context(request, obj))
        return super().render_change_form(request, context, add, change, form_url, obj)
