"""`trainyard budgets`, and what `trainyard quote` says of several runs."""

import json

BUDGET = {
    "id": 3, "project": "vision", "unit": "money", "amount": "250.000000", "currency": "EUR", "period": "month",
    "zone": "Europe/Berlin", "starts_at": None, "ends_at": None, "hard": True, "since": "2030-04-30T22:00:00Z",
    "until": "2030-05-31T22:00:00Z", "spent": "80.000000", "committed": "15.500000", "accrued": "5.000000",
    "forecast": "120.000000", "available": "154.500000", "created_by": "ops", "created_at": "2030-04-30T22:00:00Z",
}  # fmt: skip
CHECK = {
    "id": 3,
    "project": "vision",
    "unit": "money",
    "hard": True,
    "available": "0.100000",
    "needed": "0.330000",
    "within": False,
}
RUNS = {
    "runs": 5, "estimated_cost": "0.166700", "most_cost": "0.333300", "at_most": "0.200000", "within_at_most": False,
    "expected_within_at_most": True, "within_budgets": False, "stopped_by": CHECK, "budgets": [CHECK],
}  # fmt: skip
OUTLOOK = {
    "position": None, "line_length": 0, "starts_now": True, "nodes": ["n1"], "reasons": [], "holders": [],
    "other_holders": 0, "predicted_start": None, "floor_start": None, "reservation": None, "gives_way": [], "changes": [],
    "estimated_cost": 0.0333, "cost_basis": "estimated",
}  # fmt: skip


def test_budgets_are_listed_with_what_became_of_them(trainyard, connected):
    connected.answers("GET", "budgets", {"count": 1, "next": None, "previous": None, "results": [BUDGET]})
    outcome = trainyard("budgets")
    words = outcome.out.splitlines()[1].split()
    assert words[:12] == [
        "3",
        "vision",
        "month",
        "hard",
        "80.00",
        "EUR",
        "15.50",
        "EUR",
        "120.00",
        "EUR",
        "250.00",
        "EUR",
    ]


def test_a_budget_is_set_with_the_words_of_the_server(trainyard, connected):
    connected.answers("POST", "projects/vision/budgets", BUDGET)
    outcome = trainyard("budgets", "add", "vision", "250", "--zone", "Europe/Berlin", "--hard")
    assert outcome.out == "budget 3: 250.00 EUR a month for project vision, hard\n"


def test_a_quote_says_whether_the_amount_is_enough_also_by_its_exit_code(trainyard, connected):
    connected.answers("POST", "jobs/quote", OUTLOOK | {"runs": RUNS})
    outcome = trainyard("quote", "--project", "vision", "--count", "5", "--at-most", "0.20")
    assert outcome.code == 1
    assert "0.1667 expected, 0.3333 at the most" in outcome.out
    assert "0.20: only if they end as expected" in outcome.out
    assert "that of project vision would not pay now: 0.33 of 0.10 that are left" in outcome.out
    assert json.loads(trainyard("quote", "--project", "vision", "--json").out)["runs"] == RUNS
