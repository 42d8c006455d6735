"""Talking to the REST API in a test."""

from typing import Any

from django.contrib.auth.models import User
from rest_framework.test import APIClient

V1 = "/api/v1"


def client_of(user: User | None = None) -> APIClient:
    """A client that is signed in as `user`; without one, a stranger."""
    client = APIClient(raise_request_exception=False)
    if user is not None:
        client.force_authenticate(user)
    return client


def faults(response: Any) -> dict[str, str]:
    """The sentences of a problem document by the fields that they are about."""
    assert response["Content-Type"] == "application/problem+json", response.content
    return {error["field"]: error["message"] for error in response.json()["errors"]}


def rows(response: Any) -> list[dict[str, Any]]:
    """What a list answered, on its first page."""
    assert response.status_code == 200, response.content
    return response.json()["results"]
