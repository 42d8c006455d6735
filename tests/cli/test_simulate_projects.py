"""`trainyard simulate` with projects and prices: what its page shows comes out, and what cannot be is refused with its place."""

import csv
import json
import re
import shlex
from io import StringIO
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs/quotas.md").read_text().partition("## Try them on a trace")[2]
SHOWN = {
    "policy": str, "cost": str, "lost_cost": str, "borrowed_hours": "{:.1f}".format, "lent_hours": "{:.1f}".format,
    "project_fairness": "{:.3f}".format, "user_fairness": "{:.3f}".format, "mean_quota_wait_s": "{:.0f}".format,
    "max_quota_wait_s": "{:.0f}".format,
}  # fmt: skip


@pytest.fixture
def example():
    """The files of the page, and what it types."""
    for name, text in re.findall(r"```\w+ (\S+\.\w+)\n(.*?)```", PAGE, re.DOTALL):
        Path(name).write_text(text)
    [typed] = re.findall(r"```sh example\n(.*?)```", PAGE, re.DOTALL)
    return shlex.split(typed.replace("\\\n", ""))[1:]


def test_the_example_of_the_page_comes_out(trainyard, example):
    outcome = trainyard(*example, "--json")

    rows = [json.loads(line) for line in outcome.out.splitlines()]
    found = ["| " + " | ".join(spell(row[name]) for name, spell in SHOWN.items()) + " |" for row in rows]
    assert found == [line for line in PAGE.splitlines() if line.startswith("|")][2:]
    assert {(row["currency"], row["quota_unit"]) for row in rows} == {("EUR", "gpus")}


def test_the_table_has_a_column_for_each_figure(trainyard, example):
    out = trainyard(*example).out
    for title in ("COST EUR", "FOR LOST WORK", "GPU-H BORROWED", "LENT", "JAIN PROJECTS", "JAIN USERS", "QUOTA WAIT"):
        assert title in out
    assert "190.333333" in out


def test_a_table_for_spreadsheets_has_a_line_a_policy(trainyard, example):
    rows = list(csv.DictReader(StringIO(trainyard(*example, "--csv").out)))
    assert [(row["policy"], row["cost"]) for row in rows] == [("fifo", "190.333333"), ("sjf", "190.333333")]


def test_without_projects_and_prices_there_are_no_such_figures(trainyard, example):
    out = trainyard("simulate", "jobs.csv", "--nodes", "2x64x8").out
    assert "COST" not in out
    assert "BORROWED" not in out


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("jobs.csv", "dan,vision", "dan,sight", "jobs.csv, line 5: job 4 belongs to no project: its group 'sight'"),
        ("jobs.csv", "dan,vision", "dan,", "job 4 belongs to no project: it names no group"),
        ("projects.json", '"gpus": 8}}', '"gpus": 4}}', "jobs.csv, line 4: job 3 can never start"),
        ("projects.json", '"parent": "team"', '"parent": "nobody"', "row 2: parent is nobody"),
        ("prices.json", "2.50", "-2.50", 'row 1: per_hour is "-2.50": write an amount of money, 0 or more'),
        ("prices.json", "EUR", "euros", "row 1: currency is 'euros': write three capital letters"),
    ],
)
def test_what_cannot_be_ends_with_a_sentence_and_a_code(trainyard, example, file, old, new, words):
    Path(file).write_text(Path(file).read_text().replace(old, new, 1))

    outcome = trainyard(*example)

    assert (outcome.code, outcome.out) == (1, "")
    assert words in outcome.err


def test_a_start_of_the_trace_that_means_nothing_is_refused_by_its_option(trainyard, example):
    outcome = trainyard(*example, "--trace-start", "soon")
    assert outcome.code == 2
    assert "--trace-start" in outcome.err


def test_users_may_be_the_projects(trainyard, example):
    Path("projects.json").write_text(json.dumps([{"slug": name} for name in ("ada", "bob", "cleo", "dan")]))
    assert trainyard(*example, "--project-by", "user").code == 0
