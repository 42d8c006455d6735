"""Reasons read well and travel as JSON."""

import json

import pytest

from scheduling.reasons import NEW, SENTENCES, Reason, ReasonCode, gigabytes, listed, quantity


@pytest.mark.parametrize("code", list(ReasonCode))
def test_every_code_has_a_sentence(code):
    assert SENTENCES[code].endswith(".")
    assert Reason(code).sentence == SENTENCES[code]


def test_a_reason_becomes_plain_data():
    reason = Reason(ReasonCode.RESOURCES, "Needs 2 GPUs.", {"gpus": 1}, (7, 8))

    assert json.loads(json.dumps(reason.as_data())) == {
        "code": "resources",
        "sentence": "Needs 2 GPUs.",
        "shortfall": {"gpus": 1},
        "held_by": [7, 8],
    }


def test_a_job_that_no_cycle_has_seen_says_that_it_is_new():
    assert NEW.as_data()["code"] == "new"


@pytest.mark.parametrize(
    ("name", "amount", "words"),
    [
        ("gpus", 1, "1 GPU"),
        ("gpus", 0, "0 GPUs"),
        ("cpus", 16, "16 CPUs"),
        ("running_jobs", 1, "1 running job"),
        ("waiting_jobs", 5, "5 waiting jobs"),
        ("memory_mb", 2048, "2 GB of memory"),
    ],
)
def test_quantities_in_words(name, amount, words):
    assert quantity(name, amount) == words


@pytest.mark.parametrize(
    ("megabytes", "words"),
    [
        (0, "0 GB"),
        (717, "0.7 GB"),
        (512, "0.5 GB"),
        (1023, "1023 MB"),
        (1024, "1 GB"),
        (1536, "1.5 GB"),
        (81_559, "79.647 GB"),
        (65_537, "64.001 GB"),
    ],
)
def test_memory_in_words(megabytes, words):
    assert gigabytes(megabytes) == words


@pytest.mark.parametrize(("parts", "words"), [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")])
def test_words_in_a_row(parts, words):
    assert listed(parts) == words
