"""Every address of the site."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from api.http import openapi, problems
from api.v1 import health, prometheus, tokens, whoami

api: list[URLPattern | URLResolver] = [
    path("", include("api.v1.urls")),
    path("", include("api.v1.project_urls")),
    path("", include("api.v1.workloads.urls")),
    path("", include("api.v1.secrets.urls")),
    path("auth/tokens", tokens.TokensView.as_view()),
    path("auth/tokens/current", tokens.CurrentTokenView.as_view()),
    path("auth/tokens/own", tokens.OwnTokensView.as_view()),
    path("auth/tokens/own/<str:token_id>", tokens.OwnTokenView.as_view()),
    path("whoami", whoami.WhoAmIView.as_view()),
    path("healthz", health.HealthView.as_view()),
    path("readyz", health.ReadyView.as_view()),
    path("schema", openapi.SchemaView.as_view()),
    path("docs", openapi.DocumentationView.as_view()),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/", admin.site.urls),
    path("api/v1/", include(api)),
    path("metrics", prometheus.metrics),
    path("healthz", health.HealthView.as_view(schema=None)),
    path("readyz", health.ReadyView.as_view(schema=None)),
]

handler400 = problems.bad_request
handler403 = problems.permission_denied
handler404 = problems.page_not_found
handler500 = problems.server_error
