"""A node's row on real PostgreSQL: who speaks for it, whether it lives, what its operators want."""

import threading
import uuid
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from scheduling.errors import ConflictError
from tests.waiting import wait_for
from workers import heartbeats
from workers.hardware.inventory import GpuDevice, Hardware
from workers.models import Node

pytestmark = pytest.mark.django_db

HARDWARE = Hardware(8, 32768, (GpuDevice(0, "H100", 81920, simulated=True),), "host")
ONE, OTHER = uuid.uuid4(), uuid.uuid4()


def register(agent_id=ONE, name="node-1", hardware=HARDWARE):
    return heartbeats.register(name=name, hardware=hardware, agent_id=agent_id, labels={"zone": "a"}, version="0.1.0")


def silence(node, seconds):
    Node.objects.filter(pk=node.pk).update(last_heartbeat_at=Now() - timedelta(seconds=seconds))


def fall_silent(node):
    silence(node, settings.LEASE_SECONDS + 1)


def state_of(node):
    return Node.objects.get(pk=node.pk).state


def test_a_new_node_is_up_with_its_hardware():
    node = register()
    assert (node.name, node.state, node.agent_id) == ("node-1", "up", ONE)
    assert (node.cpus, node.memory_mb, node.hostname) == (8, 32768, "host")
    assert node.gpus == [{"index": 0, "model": "H100", "memory_mb": 81920, "uuid": "", "simulated": True}]
    assert (node.labels, node.version) == ({"zone": "a"}, "0.1.0")


def test_labels_that_operators_set_outlive_the_agent_and_its_own_are_always_its_own():
    register()
    Node.objects.update(labels={"zone": "b", "rack": "7"})

    assert register().labels == {"zone": "a", "rack": "7"}


def test_registering_is_the_first_heartbeat_by_the_clock_of_the_database():
    node = register()
    age = Node.objects.annotate(age=Now() - F("last_heartbeat_at")).get(pk=node.pk).age
    assert timedelta(0) <= age < timedelta(seconds=5)


def test_a_second_agent_of_the_same_name_is_refused_and_told_what_to_do():
    register()
    with pytest.raises(ConflictError, match=r"node 'node-1'.*another name.*30 seconds"):
        register(OTHER, hardware=Hardware(1, 1))
    assert (Node.objects.get().agent_id, Node.objects.get().cpus) == (ONE, 8)


def test_the_same_agent_may_register_again():
    first = register()
    second = register(hardware=Hardware(2, 1024))
    assert (second.pk, second.cpus, second.gpus) == (first.pk, 2, [])


def test_a_node_whose_agent_fell_silent_can_be_taken_over():
    fall_silent(register())
    assert register(OTHER).agent_id == OTHER


def test_a_node_is_held_until_the_last_second_of_the_lease():
    silence(register(), settings.LEASE_SECONDS - 1)
    with pytest.raises(ConflictError):
        register(OTHER)


def test_a_node_whose_agent_said_goodbye_can_be_taken_over_at_once():
    node = register()
    assert heartbeats.deregister(node_id=node.pk, agent_id=ONE)
    assert (state_of(node), Node.objects.get().agent_id) == ("down", None)
    assert register(OTHER).state == "up"


def test_a_node_marked_down_can_be_taken_over():
    node = register()
    Node.objects.update(state=Node.State.DOWN)
    assert register(OTHER).pk == node.pk


def test_a_heartbeat_brings_the_load():
    node = register()
    fall_silent(node)
    assert heartbeats.beat(node_id=node.pk, agent_id=ONE, load={"cpu_percent": 12.5})
    node.refresh_from_db()
    assert node.load["cpu_percent"] == 12.5
    assert heartbeats.silent(Node.objects.all()).count() == 0


def test_the_heartbeat_of_another_agent_changes_nothing():
    node = register()
    fall_silent(node)
    assert not heartbeats.beat(node_id=node.pk, agent_id=OTHER, load={"cpu_percent": 99})
    node.refresh_from_db()
    assert "cpu_percent" not in node.load
    assert heartbeats.silent(Node.objects.all()).get() == node


def test_an_agent_whose_node_was_taken_over_is_told_by_its_next_heartbeat():
    node = register()
    fall_silent(node)
    register(OTHER)
    assert not heartbeats.beat(node_id=node.pk, agent_id=ONE, load={})
    assert not heartbeats.deregister(node_id=node.pk, agent_id=ONE)
    assert state_of(node) == "up"


def test_a_heartbeat_is_one_statement(django_assert_num_queries):
    node = register()
    with django_assert_num_queries(1):
        heartbeats.beat(node_id=node.pk, agent_id=ONE, load={})


def test_a_node_back_from_silence_is_up_again():
    node = register()
    fall_silent(node)
    assert heartbeats.mark_down() == 1
    heartbeats.beat(node_id=node.pk, agent_id=ONE, load={})
    assert state_of(node) == "up"


def test_only_silent_nodes_are_marked_down():
    silent, alive = register(name="silent"), register(name="alive")
    fall_silent(silent)
    assert heartbeats.mark_down() == 1
    assert (state_of(silent), state_of(alive)) == ("down", "up")
    assert heartbeats.mark_down() == 0


def test_a_node_that_was_never_heard_of_is_not_judged():
    """Liveness has three values; unknown is not dead."""
    node = Node.objects.create(name="new", state=Node.State.UP)
    assert heartbeats.mark_down() == 0
    assert state_of(node) == "up"


def test_a_drained_node_takes_nothing_new_and_says_why():
    node = heartbeats.drain(register(), "new disk")
    assert (node.state, node.cordoned, node.drain_reason) == ("draining", True, "new disk")


def test_a_drain_outlives_the_agent():
    node = heartbeats.drain(register())
    heartbeats.deregister(node_id=node.pk, agent_id=ONE)
    assert register(OTHER).state == "draining"


def test_heartbeats_keep_a_drained_node_draining():
    node = heartbeats.drain(register())
    heartbeats.beat(node_id=node.pk, agent_id=ONE, load={})
    assert state_of(node) == "draining"


def test_a_leaving_agent_drains_its_node_until_the_next_one():
    node = register()
    heartbeats.beat(node_id=node.pk, agent_id=ONE, load={}, leaving=True)
    assert state_of(node) == "draining"
    assert register().state == "up"


def test_an_undrained_node_is_up_again():
    node = heartbeats.undrain(heartbeats.drain(register(), "new disk"))
    assert (node.state, node.cordoned, node.drain_reason) == ("up", False, "")


def test_draining_and_undraining_a_node_that_is_down_does_not_wake_it():
    node = register()
    heartbeats.deregister(node_id=node.pk, agent_id=ONE)
    assert heartbeats.drain(node).state == "down"
    assert heartbeats.undrain(node).state == "down"


def test_a_long_reason_is_cut_to_what_the_column_holds():
    assert len(heartbeats.drain(register(), "x" * 500).drain_reason) == 200


def in_another_connection(work):
    """Runs `work` in a thread, which has a database connection of its own; its result or error is in the list."""
    results = []

    def run():
        try:
            results.append(work())
        except ConflictError as error:
            results.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread, results


def somebody_waits_for_us():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
        )
        return cursor.fetchone()[0]


@pytest.mark.django_db(transaction=True)
def test_of_two_agents_that_take_over_a_node_at_the_same_time_one_gets_it():
    node = register(uuid.uuid4())
    fall_silent(node)
    with transaction.atomic():
        register(ONE)
        thread, results = in_another_connection(lambda: register(OTHER))
        wait_for(somebody_waits_for_us, message="the second agent")
    thread.join(10)
    assert isinstance(results[0], ConflictError)
    assert Node.objects.get().agent_id == ONE


@pytest.mark.django_db(transaction=True)
def test_of_two_agents_that_create_a_node_at_the_same_time_one_gets_it():
    with transaction.atomic():
        register(ONE)
        thread, results = in_another_connection(lambda: register(OTHER))
        wait_for(somebody_waits_for_us, message="the second agent")
    thread.join(10)
    assert isinstance(results[0], ConflictError)
    assert Node.objects.get().agent_id == ONE


@pytest.mark.django_db(transaction=True)
def test_a_heartbeat_that_comes_during_a_take_over_is_refused():
    node = register(ONE)
    fall_silent(node)
    with transaction.atomic():
        register(OTHER)
        thread, results = in_another_connection(lambda: heartbeats.beat(node_id=node.pk, agent_id=ONE, load={}))
        wait_for(somebody_waits_for_us, message="the heartbeat")
    thread.join(10)
    assert results == [False]


@pytest.mark.django_db(transaction=True)
def test_a_take_over_that_waits_for_a_heartbeat_is_refused():
    node = register(ONE)
    fall_silent(node)
    with transaction.atomic():
        heartbeats.beat(node_id=node.pk, agent_id=ONE, load={})
        thread, results = in_another_connection(lambda: register(OTHER))
        wait_for(somebody_waits_for_us, message="the take-over")
    thread.join(10)
    assert isinstance(results[0], ConflictError)


def test_a_copy_of_the_machine_is_refused_and_the_machine_itself_after_a_reboot_is_not():
    def again(hostname, boot_id):
        hardware = Hardware(8, 32768, (), hostname)
        return heartbeats.register(
            name="node-1", hardware=hardware, agent_id=ONE, labels={}, version="", boot_id=boot_id
        )

    again("host", "first boot")
    with pytest.raises(ConflictError, match="another agent"):
        again("copy", "its own boot")

    assert again("host", "second boot").boot_id == "second boot"
    assert again("renamed", "second boot").hostname == "renamed", "a container is given a new name, the machine runs on"
