"""Where stacks run is written down for the user's command line, the one that was started last before the others."""

import json
from pathlib import Path

import pytest

from cli.client.connection import find_connection
from local_stack.servers.announced import announced, stacks_file


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    return stacks_file()


def stack(folder: Path, url: str) -> Path:
    folder.mkdir()
    (folder / "credentials.json").write_text(json.dumps({"url": url, "token": "t"}))
    return folder


def found(tmp_path):
    environ = {"HOME": str(tmp_path / "me")}
    return find_connection(None, None, environ=environ, folder=Path("/")).url


def test_the_command_line_finds_the_stack_that_was_started_last_from_any_folder(tmp_path, config):
    one, two = stack(tmp_path / "one", "http://one:1"), stack(tmp_path / "two", "http://two:2")
    with announced(one, config):
        with announced(two, config):
            assert found(tmp_path) == "http://two:2"
        assert found(tmp_path) == "http://one:1"
    assert config.stat().st_mode & 0o777 == 0o600
    assert json.loads(config.read_text()) == {"homes": [str(two), str(one)]}


def test_a_stack_whose_data_is_gone_is_forgotten(tmp_path, config):
    with announced(stack(tmp_path / "one", "http://one:1"), config):
        pass
    (tmp_path / "one" / "credentials.json").unlink()
    with announced(stack(tmp_path / "two", "http://two:2"), config):
        assert json.loads(config.read_text()) == {"homes": [str(tmp_path / "two")]}


@pytest.mark.parametrize("content", ["", "[]", '{"homes": 7}', '{"homes": [7]}', "{"])
def test_a_damaged_list_is_begun_anew(tmp_path, config, content):
    config.parent.mkdir(parents=True)
    config.write_text(content)
    with announced(stack(tmp_path / "one", "http://one:1"), config):
        assert found(tmp_path) == "http://one:1"


def test_a_folder_that_cannot_be_written_keeps_no_stack_from_starting(tmp_path, config):
    config.parent.parent.mkdir(parents=True)
    config.parent.write_text("a file where the folder would be")
    with announced(tmp_path, config), announced(tmp_path, None):
        pass
