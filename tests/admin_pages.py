"""Clients and pages of the admin, for its tests."""

from typing import Any

from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests import builders


def operator(username: str = "operator") -> Client:
    """Somebody who may do everything."""
    return logged_in(User.objects.create_superuser(username))


def staff(*codenames: str) -> Client:
    """Staff who may do what is named, and no more."""
    user = builders.user(staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return logged_in(user)


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def page(client: Client, address: str, **query: Any) -> str:
    response = client.get(address, query)
    assert response.status_code == 200, (response.status_code, response.headers)
    return response.content.decode()


def act(client: Client, address: str, action: str, rows: list[Any], **fields: Any) -> Any:
    """Choose an action for these rows of a list, as the list's own form does."""
    selected = {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(address, selected | fields)


def told(response: Any) -> list[str]:
    """What the operator is told after a POST."""
    return [str(message) for message in get_messages(response.wsgi_request)]


def queries(client: Client, address: str) -> int:
    """How many queries the page takes, once everything that is cached is."""
    page(client, address)
    with CaptureQueriesContext(connection) as captured:
        page(client, address)
    return len(captured)
