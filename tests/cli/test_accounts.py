"""whoami, projects, members, tokens."""

import json

import pytest

TOKEN = {"id": "abc", "created": "2030-01-01T12:00:00Z", "expiry": "2030-02-01T12:00:00Z", "current": True}
ME = {
    "user": "ada", "staff": False, "token": TOKEN,
    "projects": [{"project": "lab", "role": "viewer"}, {"project": "vision", "role": "admin"}],
}  # fmt: skip
MEMBERS = "projects/vision/members"


def project(slug, parent=None, **changes):
    return {"slug": slug, "name": "", "parent": parent, "weight": 1.0, "archived": False, **changes}


def test_whoami_names_the_user_the_server_and_the_roles(trainyard, connected):
    connected.answers("GET", "whoami", ME)

    out = trainyard("whoami").out

    for words in ("ada", connected.url, "TRAINYARD_URL", "lab (viewer), vision (admin)", "2030-02-01"):
        assert words in out
    assert json.loads(trainyard("whoami", "--json").out) == ME


def test_whoever_belongs_nowhere_learns_whom_to_ask(trainyard, connected):
    connected.answers("GET", "whoami", {**ME, "projects": [], "token": None})

    assert "ask an admin of a project" in trainyard("whoami").out


def test_projects_are_a_tree_with_ones_role(trainyard, connected):
    connected.lists("projects", project("vision", "lab"), project("lab", "above"), project("speech", archived=True))
    connected.answers("GET", "whoami", ME)

    lines = trainyard("projects").out.splitlines()[1:]

    assert [line.split()[:2] for line in lines] == [["lab", "viewer"], ["vision", "admin"], ["speech", "1"]]
    assert lines[1].startswith("  vision")


def test_a_project_is_shown_with_its_quotas_and_its_budgets_in_words(trainyard, connected):
    connected.answers("GET", "projects/vision", project("vision", "lab", archived=True))
    bars = [{"resource": "gpus", "sentence": "6 of 8 GPUs used"}]
    connected.answers("GET", "projects/vision/usage", {"bars": bars})
    connected.lists("projects/vision/budgets", {"id": 3, "sentence": "12.50 spent, of 25.00 EUR"})

    lines = trainyard("projects", "show", "vision").out.splitlines()

    assert lines[-2:] == ["GPUs: 6 of 8 GPUs used", "budget 3: 12.50 spent, of 25.00 EUR"]
    assert [line.split()[-1] for line in lines[:2]] == ["vision", "lab"]
    assert "archived" in lines[3]
    assert json.loads(trainyard("projects", "show", "vision", "--json").out)["bars"] == bars


def test_a_project_is_made_below_another(trainyard, connected):
    connected.answers("POST", "projects", project("new", "lab"), status=201)

    assert trainyard("projects", "add", "new", "--parent", "lab").code == 0
    assert connected.asked[0].body == {"slug": "new", "name": "", "parent": "lab"}


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (["--parent", "lab"], {"parent": "lab"}),
        (["--top", "--weight", "2.5"], {"parent": None, "weight": 2.5}),
        (["--archive", "--name", ""], {"archived": True, "name": ""}),
        (["--restore"], {"archived": False}),
    ],
)
def test_a_project_is_renamed_moved_and_archived(trainyard, connected, words, body):
    connected.answers("PATCH", "projects/vision", project("vision", "lab"))

    assert trainyard("projects", "change", "vision", *words).code == 0
    assert connected.asked[0].body == body


@pytest.mark.parametrize(("words", "told"), [([], "--archive"), (["--top", "--parent", "lab"], "--top")])
def test_a_project_is_not_changed_to_nothing_nor_to_two_places(trainyard, connected, words, told):
    outcome = trainyard("projects", "change", "vision", *words)

    assert outcome.code == 2
    assert told in outcome.err
    assert connected.asked == []


def test_a_project_is_deleted_or_it_is_said_what_to_do_before(trainyard, connected):
    connected.answers("DELETE", "projects/new", None)
    connected.lists("projects", project("old"))
    connected.refuses("DELETE", "projects/old", 409, "Project old is not deleted: there are projects below it.")

    assert trainyard("projects", "remove", "new").out.startswith("project new is gone")
    refused = trainyard("projects", "remove", "old")
    assert (refused.code, "there are projects below it" in refused.err) == (1, True)


def test_members_are_listed_and_managed(trainyard, connected):
    ada = {"user": "ada@lab", "role": "viewer", "active": False}
    connected.lists(MEMBERS, ada)
    connected.answers("POST", MEMBERS, ada, status=201)
    connected.answers("PATCH", f"{MEMBERS}/ada%40lab", {**ada, "role": "admin"})
    connected.answers("DELETE", f"{MEMBERS}/ada%40lab", None)

    assert trainyard("members", "-p", "vision").out.splitlines()[1].split()[:3] == ["ada@lab", "viewer", "account"]
    assert trainyard("members", "add", "ada@lab", "--role", "viewer", "-p", "vision").code == 0
    assert (
        trainyard("members", "change", "ada@lab", "admin", "-p", "vision").out == "ada@lab is admin of project vision\n"
    )
    assert trainyard("members", "remove", "ada@lab", "-p", "vision").out == "ada@lab left project vision\n"
    assert [asked.body for asked in connected.asked[1:3]] == [{"user": "ada@lab", "role": "viewer"}, {"role": "admin"}]


def test_a_project_that_is_not_there_is_named_with_those_that_are(trainyard, connected):
    connected.lists("projects", project("vision"), project("speech"))

    outcome = trainyard("members", "-p", "visoin")

    assert outcome.err == "error: project: there is no project 'visoin'; there are: vision, speech\n"
    assert outcome.code == 1


def test_an_option_of_a_group_is_not_lost_on_its_command(trainyard, connected):
    outcome = trainyard("members", "-p", "vision", "add", "ada")

    assert outcome.code == 2
    assert outcome.err == "error: --project: write it after `add`.\n"


def test_the_server_may_be_named_before_a_command_of_a_group(trainyard, yard, monkeypatch):
    monkeypatch.setenv("TRAINYARD_TOKEN", "secret")
    yard.answers("DELETE", "nodes/n1", None)

    assert trainyard("nodes", "--url", yard.url, "remove", "n1").out == "node n1 is removed\n"


def test_tokens_are_listed_made_and_taken_back(trainyard, connected):
    connected.answers("GET", "auth/tokens/own", [TOKEN])
    connected.answers("POST", "auth/tokens/own", {"token": "s3cret", "expiry": "2030-01-08T12:00:00Z"}, status=201)
    connected.answers("DELETE", "auth/tokens/own/abc", None)

    assert trainyard("tokens").out.splitlines()[1].startswith("abc ")
    assert trainyard("tokens", "create", "--days", 7).out == "s3cret\n"
    assert connected.asked[-1].body == {"days": 7}
    outcome = trainyard("tokens", "revoke", "abc", "xyz")
    assert (outcome.code, outcome.out) == (1, "token abc lets nobody in any more\n")


def test_a_token_is_made_with_caps_and_shows_them(trainyard, connected):
    capped = TOKEN | {"max_gpus": 4, "max_cost": "20.000000", "cost_days": 30}
    connected.answers("GET", "auth/tokens/own", [capped])
    connected.answers("POST", "auth/tokens/own", {"token": "s3cret", "expiry": "2030-01-08T12:00:00Z"}, status=201)

    made = trainyard("tokens", "create", "--max-gpus", 4, "--max-cost", "20", "--cost-days", 30)

    assert (made.code, connected.asked[-1].body) == (0, {"max_gpus": 4, "max_cost": "20", "cost_days": 30})
    assert "4 GPUs, 20.00 in 30 days" in trainyard("tokens").out
