"""Where other nodes reach a node."""

import socket

import pytest

from workers.hardware import address


def test_the_way_to_a_peer_elsewhere_says_our_address(monkeypatch):
    ways = {"db.example": "10.0.0.7", "192.0.2.1": "172.16.0.9"}
    monkeypatch.setattr(address, "address_towards", ways.get)

    assert address.detect(["db.example"]) == "10.0.0.7"
    assert address.detect(["db.unknown"]) == "172.16.0.9"


def test_peers_on_this_machine_say_nothing_about_where_others_reach_us(monkeypatch):
    ways = {"127.0.0.1": "127.0.0.1", "localhost": "::1", "192.0.2.1": "172.16.0.9"}
    monkeypatch.setattr(address, "address_towards", ways.get)

    assert address.detect(["127.0.0.1", "localhost"]) == "172.16.0.9"


def test_a_machine_without_a_way_out_is_reached_on_loopback(monkeypatch):
    monkeypatch.setattr(address, "address_towards", lambda _: None)

    assert address.detect(["db.example"]) == "127.0.0.1"


def test_the_way_to_this_machine_starts_on_this_machine():
    assert address.address_towards("127.0.0.1") == "127.0.0.1"


def test_a_name_that_nobody_knows_leads_nowhere(monkeypatch):
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    assert address.address_towards("db.example") is None


@pytest.mark.parametrize("name", ["a" * 64 + ".example", "exa mple\0"])
def test_a_name_that_cannot_be_leads_nowhere(name):
    assert address.address_towards(name) is None
