"""The operators' site: the admin under the platform's own name, what they look at most first, refusals as messages."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import path

from api.http import signing_in
from console import system_page
from scheduling.errors import TrainyardError

APPS_FIRST = ("jobs", "workers", "quotas")
MODELS_FIRST = ("Job", "Workload", "Queue", "Attempt", "Placement", "Preemption", "JobEvent")


class OperationsSite(AdminSite):
    site_header = "Trainyard"
    site_title = "Trainyard"
    index_title = "Operations"
    site_url = None
    enable_nav_sidebar = False  # at 1280 px it would take a quarter of each list; the first page has all of it

    def get_urls(self) -> list[Any]:
        return [path("system/", self.admin_view(self.system), name="system"), *super().get_urls()]

    def system(self, request: HttpRequest) -> HttpResponse:
        return system_page.show(request, self.each_context(request))

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        refusal = signing_in.too_often(request) if request.method == "POST" else None
        return refusal or super().login(request, extra_context)

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        apps = super().get_app_list(request, app_label)
        for app in apps:
            app["models"].sort(key=lambda model: place(model["object_name"], MODELS_FIRST))
        return sorted(apps, key=lambda app: place(app["app_label"], APPS_FIRST))

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        return super().admin_view(refusals_as_messages(view), cacheable)


def place(name: str, first: tuple[str, ...]) -> int:
    """The name's place among those that go first; all others share the last one, and keep their order."""
    return first.index(name) if name in first else len(first)


def refusals_as_messages(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """What a use case refuses is said on the page the operator came from; the view's transaction is rolled back."""

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except TrainyardError as refusal:
            messages.error(request, str(refusal))
            return HttpResponseRedirect(request.get_full_path())

    return answer
