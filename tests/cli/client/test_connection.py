import json

import pytest

from cli.client.connection import find_connection, save_login
from cli.errors import UsageError


@pytest.fixture
def home(tmp_path):
    return {"HOME": str(tmp_path / "home")}


def local_stack(folder, url="http://127.0.0.1:8000", token="local"):  # noqa: S107
    (folder / ".trainyard").mkdir(parents=True)
    (folder / ".trainyard" / "credentials.json").write_text(json.dumps({"url": url, "token": token}))


def find(environ, folder, url=None, token_file=None):
    return find_connection(url, token_file, environ=environ, folder=folder)


def test_the_environment_names_the_server_and_the_token(tmp_path, home):
    found = find({**home, "TRAINYARD_URL": "https://yard.example/", "TRAINYARD_TOKEN": "abc"}, tmp_path)

    assert (found.url, found.token) == ("https://yard.example", "abc")


def test_an_option_goes_before_the_environment(tmp_path, home):
    (tmp_path / "token").write_text("from-file\n")
    environ = {**home, "TRAINYARD_URL": "https://other.example", "TRAINYARD_TOKEN": "abc"}

    found = find(environ, tmp_path, "http://yard.example:8000/api/v1", tmp_path / "token")

    assert (found.url, found.token) == ("http://yard.example:8000", "from-file")


def test_the_last_login_is_remembered(tmp_path, home):
    save_login("https://yard.example", 'to"ken', "2030-01-01", environ=home)

    found = find(home, tmp_path)

    assert (found.url, found.token) == ("https://yard.example", 'to"ken')


def test_a_login_can_be_read_by_its_owner_alone(tmp_path, home):
    save_login("https://one.example", "first", "", environ=home)

    path = save_login("https://two.example", "second", "", environ=home)

    assert path.stat().st_mode & 0o777 == 0o600
    assert "first" not in path.read_text()


def test_the_local_stack_of_a_parent_folder_is_found(tmp_path, home):
    local_stack(tmp_path)
    (tmp_path / "a" / "b").mkdir(parents=True)

    assert find(home, tmp_path / "a" / "b").token == "local"


def test_trainyard_home_goes_before_a_login(tmp_path, home):
    save_login("https://yard.example", "login", "", environ=home)
    local_stack(tmp_path, token="at-home")

    assert find({**home, "TRAINYARD_HOME": str(tmp_path / ".trainyard")}, tmp_path).token == "at-home"


def test_a_login_goes_before_a_local_stack_that_happens_to_be_here(tmp_path, home):
    save_login("https://yard.example", "login", "", environ=home)
    local_stack(tmp_path)

    assert find(home, tmp_path).token == "login"


def test_a_named_server_is_used_with_the_token_that_belongs_to_it(tmp_path, home):
    save_login("https://yard.example", "login", "", environ=home)
    local_stack(tmp_path, url="http://127.0.0.1:8000")

    assert find(home, tmp_path, "http://127.0.0.1:8000").token == "local"


def test_a_token_never_goes_to_another_server_than_its_own(tmp_path, home):
    save_login("https://yard.example", "login", "", environ=home)

    with pytest.raises(UsageError, match=r"no token for https://evil\.example"):
        find(home, tmp_path, "https://evil.example")


def test_without_any_server_the_user_learns_what_to_do(tmp_path, home):
    with pytest.raises(UsageError, match=r"make up.*trainyard login URL.*TRAINYARD_URL"):
        find(home, tmp_path)


@pytest.mark.parametrize("url", ["yard.example", "ftp://yard.example", "http://", "/srv"])
def test_what_is_no_address_is_refused(tmp_path, home, url):
    with pytest.raises(UsageError, match="not the address of a server"):
        find({**home, "TRAINYARD_TOKEN": "abc"}, tmp_path, url)


def test_a_damaged_login_is_named(tmp_path, home):
    path = save_login("https://yard.example", "login", "", environ=home)
    path.write_text("url = [")

    with pytest.raises(UsageError, match=r"config\.toml is damaged"):
        find(home, tmp_path)


@pytest.mark.parametrize("content", ["", "two\nlines", "umläut"])
def test_a_token_that_cannot_be_one_is_refused(tmp_path, home, content):
    (tmp_path / "token").write_text(content)

    with pytest.raises(UsageError, match="--token-file"):
        find(home, tmp_path, "https://yard.example", tmp_path / "token")


def test_the_token_is_not_shown_with_the_connection(tmp_path, home):
    found = find({**home, "TRAINYARD_URL": "https://yard.example", "TRAINYARD_TOKEN": "abc123"}, tmp_path)

    assert "abc123" not in repr(found)
