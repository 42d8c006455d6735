"""Agents and platforms of different releases: one step apart they work together, further apart both say what to do."""

import uuid

import pytest
from django.core.management import call_command
from django.db import connection

from tests import builders
from tests.rest import V1, client_of
from workers import heartbeats, protocol
from workers.hardware.inventory import Hardware
from workers.models import Node, PlatformProtocol
from workers.protocol import ProtocolError

pytestmark = pytest.mark.django_db
AGENT = uuid.uuid4()


def register():
    return heartbeats.register(name="n1", hardware=Hardware(8, 32_768), agent_id=AGENT, labels={}, version="1")


def platform_understands(oldest, newest):
    PlatformProtocol.objects.update_or_create(pk=1, defaults={"oldest": oldest, "newest": newest})


@pytest.mark.parametrize(
    ("agent", "words"),
    [(2, "upgrade the agent"), (3, ""), (4, ""), (5, "upgrade the platform first (manage.py migrate")],
)
def test_the_current_protocol_and_the_one_before_are_understood(agent, words):
    said = protocol.why_not(agent, oldest=3, newest=4)
    assert words in said
    assert bool(said) == bool(words)


def test_whoever_migrates_says_what_the_platform_understands():
    assert PlatformProtocol.objects.values_list("pk", "oldest", "newest").get() == (
        1, protocol.OLDEST, protocol.PROTOCOL,
    )  # fmt: skip


def test_a_registration_and_each_heartbeat_carry_the_protocol():
    node = register()
    assert protocol.spoken_by(node) == protocol.PROTOCOL
    heartbeats.beat(node_id=node.pk, agent_id=AGENT, load={"cpu_percent": 1})
    node.refresh_from_db()
    assert node.load == {"cpu_percent": 1, "protocol": protocol.PROTOCOL}


@pytest.mark.parametrize(
    ("oldest", "newest", "remedy"),
    [
        (protocol.PROTOCOL + 1, protocol.PROTOCOL + 2, "upgrade the agent"),
        (protocol.PROTOCOL - 1, protocol.PROTOCOL - 1, "upgrade the platform first"),
    ],
)
def test_an_agent_that_cannot_be_understood_is_turned_away_with_a_word_in_its_node_s_row(oldest, newest, remedy):
    register()
    platform_understands(oldest, newest)
    with pytest.raises(ProtocolError, match=remedy):
        register()
    node = client_of(builders.user()).get(f"{V1}/nodes/n1").json()
    assert any("turned away" in reason and remedy in reason for reason in node["health"]["reasons"])
    platform_understands(protocol.OLDEST, protocol.PROTOCOL)
    register()
    node = client_of(builders.user()).get(f"{V1}/nodes/n1").json()
    assert (node["protocol"], node["skew"]) == (protocol.PROTOCOL, "")
    assert not any("turned away" in reason for reason in node["health"]["reasons"])


def test_a_platform_from_before_there_were_protocols_turns_this_agent_away():
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE workers_platformprotocol RENAME TO of_the_future")
    with pytest.raises(ProtocolError, match="upgrade the platform first"):
        register()
    assert not Node.objects.exists()


def test_tables_that_are_not_there_yet_are_no_platform_from_before():
    """The agent waits for them, as it always did."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL search_path = nowhere")
        assert protocol._platform_has_protocols()
        cursor.execute("SET LOCAL search_path = public")


def test_a_node_whose_agent_is_too_far_away_says_so_and_takes_nothing():
    builders.node(name="future", load={"protocol": protocol.PROTOCOL + 1})
    builders.node(name="before", load={})
    builders.node(name="now", load={"protocol": protocol.PROTOCOL})
    told = {row["name"]: row for row in client_of(builders.user()).get(f"{V1}/nodes").json()["results"]}
    assert "It gets nothing new; what runs there goes on." in told["future"]["skew"]
    assert told["future"]["skew"] in told["future"]["health"]["reasons"]
    assert "upgrade it before the next release" in told["before"]["skew"]
    assert [told[name]["health"]["ok"] for name in ("future", "before", "now")] == [False, True, True]


@pytest.mark.django_db(transaction=True)
def test_a_flushed_database_still_says_what_is_understood():
    call_command("flush", interactive=False, verbosity=0)
    assert PlatformProtocol.objects.exists()
