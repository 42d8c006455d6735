import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from cli.main import COMMANDS, load
from tests.cli.rows import job
from tests.cli.yard import Answer

WITHOUT_SERVER = {"profiles", "login", "logout", "version", "simulate"}
BYTES = {"exec", "shell", "port"}  # their output is the command's, byte by byte
WITH_SERVER = sorted(COMMANDS.keys() - WITHOUT_SERVER - BYTES - {"mcp"})  # mcp speaks to programs alone, in its own way
PLATFORM = {
    "quotas", "workers", "jobs", "executors", "api", "console", "local_stack", "scheduler_site", "django", "celery",
}  # fmt: skip


def loaded(code):
    """What a fresh interpreter prints that runs this code."""
    return subprocess.check_output([sys.executable, "-c", code], text=True, cwd=Path(__file__).parents[2], timeout=60)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_table_says_of_each_command_what_the_command_says_of_itself(name):
    assert load(name).help.splitlines()[0] == COMMANDS[name].summary


@pytest.mark.parametrize("name", WITH_SERVER)
def test_each_command_speaks_json_and_takes_a_server(name, trainyard):
    help_text = trainyard(name, "--help").out

    for option in ("--json", "--url", "--token-file"):
        assert option in help_text


def test_help_names_every_command(trainyard):
    outcome = trainyard("--help")

    assert outcome.code == 0
    assert all(f"  {name} " in outcome.out for name in COMMANDS)


def test_help_loads_neither_http_nor_tables():
    """What takes long to load is loaded by the commands that need it."""
    code = "import sys, cli.main; print({'httpx', 'rich', 'pydantic', 'importlib.metadata'} & set(sys.modules))"

    assert loaded(code) == "set()\n"


def test_the_command_line_imports_nothing_of_the_platform():
    """Only `simulate` brings something along, the core, which needs nothing of the platform either."""
    load_all = "import cli.main; [cli.main.load(name) for name in cli.main.COMMANDS if name != 'simulate']"
    code = f"import sys; {load_all}; print({PLATFORM | {'scheduling'}} & set(sys.modules))"

    assert loaded(code) == "set()\n"


def test_a_simulation_loads_the_core_and_nothing_else_of_the_platform():
    """Neither Django nor what only pictures need."""
    others = PLATFORM | {"matplotlib"}
    code = f"import sys, cli.main; cli.main.load('simulate'); print({others} & set(sys.modules))"

    assert loaded(code) == "set()\n"


def test_a_mistyped_command_is_a_usage_error_with_a_hint(trainyard):
    outcome = trainyard("lits")

    assert outcome.code == 2
    assert "Did you mean 'list'?" in outcome.err


def test_without_a_server_the_user_learns_how_to_get_one(trainyard):
    outcome = trainyard("list")

    assert outcome.code == 2
    assert "make up" in outcome.err


def test_a_server_out_of_reach_has_its_own_exit_code(trainyard, monkeypatch):
    monkeypatch.setenv("TRAINYARD_TOKEN", "secret")

    outcome = trainyard("list", "--url", "http://127.0.0.1:1")

    assert outcome.code == 3
    assert outcome.err.startswith("error: no answer from http://127.0.0.1:1 (from --url): ")


def test_a_local_stack_that_does_not_run_can_be_started(trainyard):
    Path(".trainyard").mkdir()
    Path(".trainyard/credentials.json").write_text('{"url": "http://127.0.0.1:1", "token": "secret"}')

    outcome = trainyard("list")

    assert outcome.code == 3
    assert outcome.err.endswith("Start it with `make up`.\n")


def test_the_server_may_be_named_before_the_command(trainyard, yard, monkeypatch):
    monkeypatch.setenv("TRAINYARD_TOKEN", "secret")
    yard.lists("jobs", job(1))

    assert trainyard("--url", yard.url, "list").code == 0


def test_a_surprise_is_one_line_and_no_traceback(trainyard, connected):
    connected.says("GET", "jobs", Answer(200, b'{"results": [{}], "next": null}'))

    outcome = trainyard("list")

    assert outcome.code == 1
    assert outcome.err.count("\n") == 1
    assert outcome.err.startswith("error: unexpected KeyError")


def test_a_surprise_can_be_looked_at(trainyard, connected, monkeypatch):
    monkeypatch.setenv("TRAINYARD_DEBUG", "1")
    connected.says("GET", "jobs", Answer(200, b'{"results": [{}], "next": null}'))

    assert "Traceback" in trainyard("list").err


def test_a_refusal_cannot_write_to_the_terminal_what_it_likes(trainyard, connected):
    connected.refuses("GET", "jobs", 400, "no\x1b]0;title\x07")

    assert trainyard("list").err == "error: no\\x1b]0;title\\x07\n"


def test_the_version_is_printed(trainyard):
    assert trainyard("--version").out.startswith("trainyard")
    assert trainyard("version").out.startswith("trainyard")


@pytest.mark.parametrize("name", sorted({entry.module for entry in COMMANDS.values()}))
def test_each_module_of_commands_is_listed_in_the_table(name):
    module = importlib.import_module(f"cli.commands.{name}")

    assert set(typer.main.get_group(module.app).commands) <= set(COMMANDS)


def test_an_error_is_one_document_where_json_was_asked_for(trainyard, connected):
    connected.refuses("GET", "jobs", 400, "Invalid.", ("state", "There is no state lost."))

    outcome = trainyard("list", "--json", "--state", "lost")

    error = json.loads(outcome.err)["error"]
    assert (outcome.code, outcome.out) == (1, "")
    assert error == {
        "kind": "refused",
        "exit_code": 1,
        "messages": ["state: There is no state lost."],
        "fields": [{"field": "state", "message": "There is no state lost."}],
    }


@pytest.mark.parametrize(
    ("words", "code", "kind"),
    [
        (["list", "--json", "--limit", "0"], 2, "usage"),
        (["list", "--json", "--colour"], 2, "usage"),
        (["lits", "--json"], 2, "usage"),
        (["list", "--json", "--url", "nowhere"], 2, "usage"),
        (["list", "--json", "--url", "http://127.0.0.1:1"], 3, "out_of_reach"),
        (["show", "--json", "1"], 1, "refused"),
    ],
)
def test_every_kind_of_error_is_a_document_and_keeps_its_exit_code(trainyard, connected, words, code, kind):
    outcome = trainyard(*words)

    error = json.loads(outcome.err)["error"]
    assert (outcome.code, error["exit_code"], error["kind"]) == (code, code, kind)
    assert error["messages"]


def test_help_is_help_with_json_too(trainyard):
    outcome = trainyard("list", "--json", "--help")

    assert (outcome.code, outcome.err) == (0, "")


def test_json_of_the_jobs_command_is_not_ours(trainyard, connected):
    connected.refuses("POST", "jobs", 400, "no")

    assert trainyard("submit", "python", "train.py", "--json").err == "error: no\n"
