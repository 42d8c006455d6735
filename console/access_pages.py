"""Who got in and who did not, in the admin: failed sign-ins, to be deleted for somebody who is to try again, and tokens."""

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.conf import settings
from django.contrib import admin
from django.contrib.admin import AdminSite
from django.http import HttpRequest
from knox.admin import AuthTokenAdmin
from knox.models import AuthToken


class AttemptAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic for mypy alone
    list_display = ("username", "ip_address", "failures_since_start", "waits", "attempt_time", "user_agent")
    search_fields = ("username", "ip_address")
    list_filter = ("attempt_time",)

    @admin.display(description="locked out", boolean=True)
    def waits(self, attempt: AccessAttempt) -> bool:
        return bool(attempt.failures_since_start >= settings.AXES_FAILURE_LIMIT)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: AccessAttempt | None = None) -> bool:
        return False


class TokenAdmin(AuthTokenAdmin):
    """Tokens are made by signing in, and ended here; a hash is nothing to look at."""

    list_display = ("token_key", "user", "created", "expiry")
    list_display_links = ("token_key",)
    list_select_related = ("user",)
    search_fields = ("user__username",)
    fields = ("user", "created", "expiry")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: AuthToken | None = None) -> bool:
        return False


def register(site: AdminSite) -> None:
    """Instead of what the package has registered; its other two lists are never written here."""
    site.unregister([AccessAttempt, AccessFailureLog, AccessLog, AuthToken])
    site.register(AccessAttempt, AttemptAdmin)
    site.register(AuthToken, TokenAdmin)
