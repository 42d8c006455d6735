"""`trainyard secrets`: values come from standard input or a prompt, never from the command line, and are never printed."""

import io
import json

import pytest

from tests.cli.yard import Answer

SECRET = {"name": "API_KEY", "set_by": "ada", "set_at": "2026-05-01T10:00:00Z", "last_used_at": None}


@pytest.fixture
def typed(monkeypatch):
    def type_in(data):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))

    return type_in


@pytest.mark.parametrize(
    ("options", "path"), [((), "me/secrets"), (("--project", "vision"), "projects/vision/secrets")]
)
def test_a_value_is_read_from_standard_input_and_not_printed(trainyard, connected, typed, options, path):
    connected.answers("PUT", f"{path}/API_KEY", SECRET)
    typed(b"hunter22\nmore\n")
    done = trainyard("secrets", "set", "API_KEY", *options)
    assert connected.asked[-1].body == {"value": "hunter22\nmore"}
    assert connected.asked[-1].headers["Content-Type"] == "application/json"
    assert done.code == 0
    assert "secret API_KEY is set" in done.out
    assert "hunter22" not in done.out + done.err


def test_whose_secret_it_is_does_not_depend_on_the_shell(trainyard, connected, typed, monkeypatch):
    monkeypatch.setenv("TRAINYARD_PROJECT", "vision")
    connected.answers("PUT", "me/secrets/API_KEY", SECRET)
    typed(b"hunter22")
    assert trainyard("secrets", "set", "API_KEY").code == 0


@pytest.mark.parametrize(("data", "words"), [(b"", "no value on standard input"), (b"\xff\xfe", "no text in UTF-8")])
def test_what_is_no_value_is_not_sent(trainyard, connected, typed, data, words):
    typed(data)
    done = trainyard("secrets", "set", "API_KEY")
    assert (done.code, words in done.err, connected.asked) == (2, True, [])


def test_a_refusal_names_what_is_wrong_with_it(trainyard, connected, typed):
    connected.refuses("PUT", "me/secrets/1KEY", 400, "No.", ("name", "Must be like a variable of an environment"))
    typed(b"hunter22")
    done = trainyard("secrets", "set", "1KEY")
    assert done.code != 0
    assert "name: Must be like a variable" in done.err
    assert "hunter22" not in done.err


def test_they_are_listed_by_name_and_use(trainyard, connected):
    connected.lists("projects/vision/secrets", SECRET, SECRET | {"name": "B", "last_used_at": "2026-05-02T10:00:00Z"})
    out = trainyard("secrets", "-p", "vision").out
    assert [line.split()[0] for line in out.splitlines()] == ["NAME", "API_KEY", "B"]
    assert "never" in out.splitlines()[1]


def test_some_are_deleted_and_others_refused(trainyard, connected):
    connected.says("DELETE", "me/secrets/A", Answer(204))
    connected.refuses("DELETE", "me/secrets/B", 404, "You have no secret B.")
    done = trainyard("secrets", "delete", "A", "B")
    assert (done.out, "no secret B" in done.err, done.code != 0) == ("secret A is gone\n", True, True)


def test_a_submission_names_them(trainyard, connected):
    connected.answers("POST", "jobs", {"id": 7, "state": "pending"}, status=201)
    assert trainyard("submit", "--secret", "A", "--secret", "B", "--", "true").code == 0
    assert connected.asked[-1].body["secrets"] == ["A", "B"]


def test_a_submission_says_which_of_them_are_files(trainyard, connected):
    connected.answers("POST", "jobs", {"id": 7, "state": "pending"}, status=201)
    assert trainyard("submit", "--secret", "A", "--secret", "B:file=b.json", "--", "true").code == 0
    assert connected.asked[-1].body["secrets"] == ["A", {"name": "B", "file": "b.json"}]


@pytest.mark.parametrize("text", ["A=hunter22", "A:b.json", "A:file=", "A:", "A:fiel=x"])
def test_what_is_neither_a_name_nor_a_file_is_not_sent(trainyard, connected, text):
    done = trainyard("submit", "--secret", text, "--", "true")
    assert (done.code, "--secret" in done.err, connected.asked) == (2, True, [])
    assert "hunter22" not in done.err


def test_a_file_of_jobs_may_say_it_too(trainyard, connected, tmp_path):
    (tmp_path / "jobs.yaml").write_text("- {command: [a], secrets: [{name: GCP_KEY, file: gcp.json}]}\n")
    connected.answers("POST", "jobs/batch", {"count": 1, "batch": "", "jobs": []}, status=201)
    assert trainyard("batch", tmp_path / "jobs.yaml").code == 0
    assert connected.asked[-1].body["jobs"][0]["secrets"] == [{"name": "GCP_KEY", "file": "gcp.json"}]


def test_as_json_it_is_the_server_s_answer(trainyard, connected, typed):
    connected.answers("PUT", "me/secrets/API_KEY", SECRET)
    typed(b"hunter22")
    assert json.loads(trainyard("secrets", "set", "API_KEY", "--json").out) == SECRET
