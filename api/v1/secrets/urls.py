"""The addresses under /api/v1/ that have to do with secrets."""

from django.urls import path

from api.v1.secrets.placements import PlacementSecretsView
from api.v1.secrets.views import OwnSecretsView, OwnSecretView, ProjectSecretsView, ProjectSecretView

urlpatterns = [
    path("projects/<slug:slug>/secrets", ProjectSecretsView.as_view()),
    path("projects/<slug:slug>/secrets/<str:name>", ProjectSecretView.as_view()),
    path("me/secrets", OwnSecretsView.as_view()),
    path("me/secrets/<str:name>", OwnSecretView.as_view()),
    path("placements/<int:placement_id>/secrets", PlacementSecretsView.as_view()),
]
