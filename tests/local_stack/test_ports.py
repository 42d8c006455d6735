"""Ports for servers that come and go: free now, and not taken by a connection of somebody else's while their server is away."""

import socket

import pytest

from local_stack.servers import ports


def test_a_port_is_picked_that_the_kernel_gives_to_nobody():
    lowest = int(ports.KERNELS.read_text().split()[0])
    picked = [ports.pick_free() for _ in range(20)]

    assert all(ports.FIRST <= port < lowest for port in picked)
    assert len(set(picked)) > 1


@pytest.mark.parametrize("told", ["10000 60999", "", "many"])
def test_where_the_kernel_keeps_them_all_one_of_its_own_is_picked(tmp_path, monkeypatch, told):
    monkeypatch.setattr(ports, "KERNELS", tmp_path / "range")
    if told:
        ports.KERNELS.write_text(told)

    assert ports.is_free(ports.pick_free())


def test_a_port_that_is_taken_is_not_picked(monkeypatch):
    with socket.create_server((ports.LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr("local_stack.servers.ports.secrets.choice", lambda _: port)

        assert ports.pick_free() != port
