"""The addresses under /api/v1/ that have to do with projects alone."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
