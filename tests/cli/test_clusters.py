"""Clusters that run jobs by their own means, from the terminal."""

ML = {
    "name": "ml",
    "kind": "kubernetes",
    "state": "silent",
    "fault": "connection refused",
    "reached_at": "2030-01-01T00:00:00Z",
    "bridge_alive": True,
    "last_heartbeat_at": "2030-01-01T00:00:00Z",
    "version": "1.0",
    "image": "python:3.12",
    "unsupported": {"suspend": "Pods cannot stand still."},
    "workloads": {"running": 2},
    "nodes": {"known": 3, "up": 0},
    "running": 2,
    "registered_at": "2030-01-01T00:00:00Z",
    "lost_at": None,
    "lost_by": "",
}


def test_they_are_listed_with_why_one_does_not_answer(trainyard, connected):
    connected.lists("clusters", ML)
    row = next(line for line in trainyard("clusters").out.splitlines() if line.startswith("ml"))
    assert [word for word in ("kubernetes", "silent", "0/3", "connection refused") if word not in row] == []


def test_without_any_it_is_said_how_to_join_one(trainyard, connected):
    connected.lists("clusters")
    assert "manage.py bridge" in trainyard("clusters").err


def test_one_is_shown_with_what_it_cannot_do(trainyard, connected):
    connected.answers("GET", "clusters/ml", ML)
    shown = trainyard("clusters", "show", "ml").out
    assert [
        word for word in ("silent: connection refused", "python:3.12", "Pods cannot stand still.") if word not in shown
    ] == []


def test_one_is_declared_lost_only_when_that_is_meant(trainyard, connected):
    connected.answers("GET", "clusters/ml", ML)
    connected.answers("POST", "clusters/ml/declare-lost", {"ended": 2})
    assert "2 places were given up" in trainyard("clusters", "declare-lost", "ml", "--yes").out
