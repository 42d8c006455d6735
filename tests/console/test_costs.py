"""Prices and the ledger in the admin: set and ended by the use case, never edited; the ledger is read only."""

import pytest

from quotas.models import Price
from tests.admin_pages import act, operator, page, staff, told

pytestmark = pytest.mark.django_db
PRICES, LEDGER = "/admin/quotas/price/", "/admin/quotas/ledgertransaction/"
FIELDS = {"target": "cpu", "name": "", "capacity": "", "per_hour": "0.5", "valid_from_0": "", "valid_from_1": ""}


def test_a_price_is_set_from_now_on_and_ended():
    client = operator()
    client.post(f"{PRICES}add/", FIELDS)
    price = Price.objects.get()
    assert (price.currency, price.created_by, price.valid_to) == ("EUR", "operator", None)

    answer = act(client, PRICES, "end_now", [price])

    assert told(answer)[-1] == "1 ended."
    assert Price.objects.get().valid_to is not None
    assert client.post(f"{PRICES}{price.pk}/change/", FIELDS).status_code == 403
    assert client.post(f"{PRICES}{price.pk}/delete/", {"post": "yes"}).status_code == 403


def test_what_the_use_case_refuses_stands_at_its_field():
    client = operator()
    client.post(f"{PRICES}add/", FIELDS)
    overlaps = client.post(f"{PRICES}add/", FIELDS)
    nameless = client.post(f"{PRICES}add/", FIELDS | {"target": "node"})
    assert list(overlaps.context["adminform"].form.errors) == ["valid_from"]
    assert list(nameless.context["adminform"].form.errors) == ["name"]


def test_nobody_writes_in_the_ledger():
    assert "0 ledger transactions" in page(operator(), LEDGER)
    assert operator("other").get(f"{LEDGER}add/").status_code == 403
    assert staff("view_price").get(f"{PRICES}add/").status_code == 403
