"""Secrets in the admin: a value is typed in and never shown."""

import pytest
from cryptography.fernet import Fernet
from django.contrib.admin.models import LogEntry

from quotas.models import Secret
from quotas.secrets import key_ring, setting
from quotas.secrets.setting import Holder
from tests import builders
from tests.admin_pages import operator, page, staff

pytestmark = pytest.mark.django_db
SECRETS = "/admin/quotas/secret/"
VALUE = "hunter22"


@pytest.fixture(autouse=True)
def keys(settings):
    settings.SECRETS_KEYS = Fernet.generate_key().decode()


@pytest.fixture
def vision():
    return builders.project(slug="vision")


@pytest.fixture
def client():
    return operator()


def add(client, vision, **more):
    return client.post(f"{SECRETS}add/", {"name": "API_KEY", "project": vision.pk, "value": f"{VALUE}\r\nmore"} | more)


def value():
    return key_ring.decrypt(Secret.objects.get().encrypted, "API_KEY")


def test_it_is_set_replaced_and_deleted_and_no_page_shows_it(client, vision):
    assert add(client, vision).status_code == 302
    assert value() == f"{VALUE}\nmore"
    [secret] = Secret.objects.all()
    assert "API_KEY" in page(client, SECRETS)
    for address in (SECRETS, f"{SECRETS}{secret.pk}/change/", f"{SECRETS}{secret.pk}/history/"):
        assert VALUE not in page(client, address)
        assert bytes(secret.encrypted).decode() not in page(client, address)
    assert client.post(f"{SECRETS}{secret.pk}/change/", {"value": "another"}).status_code == 302
    assert value() == "another"
    client.post(f"{SECRETS}{secret.pk}/delete/", {"post": "yes"})
    assert not Secret.objects.exists()
    told = LogEntry.objects.filter(content_type__model="project", object_id=str(vision.pk)).values_list(
        "change_message", flat=True
    )
    assert [text.split()[-1] for text in told] == ["deleted.", "replaced.", "set."]


@pytest.mark.parametrize(("field", "given"), [("name", "1KEY"), ("name", "TRAINYARD_X"), ("value", "x" * 70_000)])
def test_what_is_refused_over_rest_is_refused_here(client, vision, field, given):
    assert list(add(client, vision, **{field: given}).context["adminform"].form.errors) == [field]
    assert not Secret.objects.exists()


def test_without_a_key_the_page_names_the_setting(client, vision, settings):
    settings.SECRETS_KEYS = ""
    assert "TRAINYARD_SECRETS_KEYS" in add(client, vision).content.decode()


def test_of_others_staff_see_names_and_may_take_them_back(client):
    ada = builders.user(username="ada")
    secret, _ = setting.set_secret(Holder(user=ada), ada, "TOKEN", VALUE)
    address = f"{SECRETS}{secret.pk}/"
    assert 'name="value"' not in page(client, f"{address}change/")
    assert client.post(f"{address}change/", {"value": "another"}).status_code == 403
    client.post(f"{address}delete/", {"post": "yes"})
    assert not Secret.objects.exists()


def test_who_may_only_look_sets_none(vision):
    assert add(staff("view_secret"), vision).status_code == 403
