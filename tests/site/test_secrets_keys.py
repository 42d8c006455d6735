"""Keys of secrets: keys at all, only where they belong, shown to nobody, and exchanged without a loss."""

from io import StringIO

import pytest
from cryptography.fernet import Fernet
from django.core import checks
from django.core.management import CommandError, call_command

from quotas.models import Secret
from quotas.secrets import key_ring, setting
from quotas.secrets.setting import Holder
from scheduling.errors import UnavailableError
from tests import builders

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


def found():
    return [message for message in checks.run_checks(tags=["trainyard"]) if message.id == "trainyard.E070"]


def test_what_is_no_key_is_refused_without_being_shown(settings):
    for good in ("", OLD, f"{NEW}, {OLD}"):
        settings.SECRETS_KEYS = good
        assert found() == []
    settings.SECRETS_KEYS = f"{OLD},hunter22"
    [message] = found()
    assert "TRAINYARD_SECRETS_KEYS" in message.msg
    assert "hunter22" not in str(message)


def test_an_agent_that_is_given_one_does_not_start(settings, monkeypatch):
    settings.TRAINYARD_ROLE = "node"
    monkeypatch.setenv("TRAINYARD_SECRETS_KEYS", OLD)
    assert len(found()) == 1


@pytest.fixture
def secret(settings, db):
    settings.SECRETS_KEYS = OLD
    admin = builders.user()
    made, _ = setting.set_secret(Holder(user=admin), admin, "TOKEN", "hunter22")
    return made


def rotate():
    output = StringIO()
    call_command("rotate_secrets", stdout=output)
    return output.getvalue()


def value():
    return key_ring.decrypt(Secret.objects.get().encrypted, "TOKEN")


def test_after_a_rotation_the_old_key_is_needed_no_more(settings, secret):
    settings.SECRETS_KEYS = f"{NEW},{OLD}"
    assert value() == "hunter22"
    assert rotate() == "1 secrets are encrypted with the first key.\n"
    assert rotate() == "1 secrets are encrypted with the first key.\n"
    settings.SECRETS_KEYS = NEW
    assert value() == "hunter22"


def test_a_key_that_is_lost_is_told_by_name_and_leaves_the_rest_alone(settings, secret):
    before = bytes(Secret.objects.get().encrypted)
    settings.SECRETS_KEYS = NEW
    with pytest.raises(UnavailableError, match="No key of TRAINYARD_SECRETS_KEYS opens secret TOKEN"):
        value()
    with pytest.raises(CommandError, match="TOKEN"):
        rotate()
    assert bytes(Secret.objects.get().encrypted) == before
    settings.SECRETS_KEYS = ""
    with pytest.raises(CommandError, match="has not set TRAINYARD_SECRETS_KEYS"):
        rotate()
