"""What helps contributors along says the same as what it stands for."""

import json
import re

import yaml

from tests.architecture import source

LONGEST_PAGE_FOR_AGENTS = 40


def read(name):
    return (source.ROOT / name).read_text(encoding="utf-8")


def test_before_a_commit_runs_what_make_lint_runs():
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", read("Makefile"), re.MULTILINE).group(1)
    linted = [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe.splitlines()]
    (repository,) = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]
    assert repository["repo"] == "local"
    assert [hook["entry"].removeprefix("env ") for hook in repository["hooks"]] == linted


def test_the_container_for_development_runs_make_up_and_shows_its_ports():
    described = json.loads(read(".devcontainer/devcontainer.json"))
    ports = re.findall(r"^\| `(?:TRAINYARD_PORT|FLOWER_PORT)` \| `(\d+)`", read("docs/operations.md"), re.MULTILINE)
    assert described["postAttachCommand"] == "make up"
    assert described["forwardPorts"] == [int(port) for port in ports]


def test_the_page_for_agents_is_short():
    assert len(read("AGENTS.md").splitlines()) <= LONGEST_PAGE_FOR_AGENTS


def test_each_commit_that_blame_looks_behind_is_named_in_full_with_its_subject():
    _, *commits = read(".git-blame-ignore-revs").strip().split("\n\n")
    assert commits
    assert [text for text in commits if not re.fullmatch(r"# .+\n[0-9a-f]{40}", text)] == []


def test_updates_are_looked_for_wherever_something_is_pinned():
    watched = {update["package-ecosystem"] for update in yaml.safe_load(read(".github/dependabot.yml"))["updates"]}
    assert {"pip", "github-actions", "docker"} <= watched
