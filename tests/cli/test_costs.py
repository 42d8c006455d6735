"""`trainyard costs`, `trainyard prices` and `trainyard seff`."""

import json

REPORT = {
    "currency": "EUR", "since": "2030-05-01T00:00:00Z", "until": "2030-05-08T12:00:00Z", "group_by": "user",
    "groups": [
        {"key": "ada", "settled": "12.500000", "refunded": "2.000000", "cost": "10.500000", "placements": 3},
        {"key": "", "settled": "0.000125", "refunded": "0.000000", "cost": "0.000125", "placements": 1},
    ],
    "left_off": 0, "accrued": "1.250000",
    "total": {"settled": "12.500125", "refunded": "2.000000", "cost": "10.500125", "placements": 4},
}  # fmt: skip
PRICE = {
    "id": 3, "target": "gpu_model", "name": "H100", "capacity": "spot", "per_hour": "2.500000", "currency": "EUR",
    "valid_from": "2030-05-01T00:00:00Z", "valid_to": None, "created_by": "ops", "created_at": "2030-05-01T00:00:00Z",
}  # fmt: skip


def test_costs_are_shown_group_by_group_with_their_sum(trainyard, connected):
    connected.answers("GET", "costs", REPORT)

    outcome = trainyard("costs", "--by", "user", "--since", "2030-05-01T00:00+00:00")

    assert [line.split() for line in outcome.out.splitlines()[1:]] == [
        ["ada", "3", "12.50", "2.00", "10.50"],
        ["(none)", "1", "0.000125", "0.00", "0.000125"],
        ["all", "4", "12.500125", "2.00", "10.500125"],
    ]
    assert "1.25 EUR more of what runs" in outcome.err


def test_costs_as_json_are_the_servers_answer(trainyard, connected):
    connected.answers("GET", "costs", REPORT)
    assert json.loads(trainyard("costs", "--json").out) == REPORT


def test_a_time_that_means_nothing_is_refused_by_its_option(trainyard, connected):
    outcome = trainyard("costs", "--since", "soon")
    assert outcome.code == 2
    assert "--since: 'soon' is not a moment" in outcome.err


def test_prices_are_listed_set_and_ended(trainyard, connected):
    connected.lists("prices", PRICE)
    connected.answers("POST", "prices", PRICE, status=201)
    connected.answers("PATCH", "prices/3", {**PRICE, "valid_to": "2031-05-01T00:00:00Z"})

    assert trainyard("prices").out.splitlines()[1].split()[:6] == ["3", "gpu_model", "H100", "spot", "2.50", "EUR"]
    made = trainyard("prices", "add", "gpu_model", "2.50", "--name", "H100", "--capacity", "spot")
    assert made.out.startswith("price 3: 2.50 EUR an hour of spot gpu_model H100 from 2030-05-01")
    assert "until 2031-05-01" in trainyard("prices", "end", "3").out
    assert connected.asked[1].body["per_hour"] == "2.50"


def test_what_a_job_used_stands_beside_what_it_held(trainyard, connected):
    connected.answers("GET", "jobs/7/efficiency", {
        "job": 7, "run_seconds": 1000, "cpu_seconds_held": 8000, "cpu_seconds": 2000, "cpu_percent": 25, "memory_gb": 32,
        "peak_memory_gb": 3, "memory_percent": 9.4, "gpu_seconds_held": 2000, "sentence": "Asked for 32 GB.",
    })  # fmt: skip
    assert [" ".join(line.split()) for line in trainyard("seff", "7").out.splitlines()] == [
        "ran 16m 40s", "CPU 33m 20s of 2h 13m, 25 %", "memory 3 GB of 32 GB at most, 9.4 %", "GPU 33m 20s held",
        "Asked for 32 GB.",
    ]  # fmt: skip


def test_what_gpus_did_and_what_it_drew_stands_there_as_far_as_it_was_measured(trainyard, connected):
    connected.answers("GET", "jobs/7/efficiency", {
        "job": 7, "run_seconds": 1000, "cpu_seconds_held": 8000, "cpu_seconds": 2000, "cpu_percent": 25, "memory_gb": 0,
        "peak_memory_gb": None, "memory_percent": None, "gpu_seconds_held": 2000, "gpu_seconds_measured": 1800,
        "gpu_seconds_busy": 450, "gpu_seconds_idle": 1200, "gpu_percent": 25, "gpu_peak_memory_gb": 30.5,
        "gpu_joules": 7000, "cpu_joules": None, "joules": 7000, "watt_hours": 1.944, "energy_partial": True,
        "steps": 14000, "steps_per_kilojoule": 2000, "sentence": "",
    })  # fmt: skip
    assert [" ".join(line.split()) for line in trainyard("seff", "7").out.splitlines()][2:6] == [
        "GPU 33m 20s held", "GPU use 7m 30s of 30m 00s measured, 25 %", "GPU idle 20m 00s", "GPU memory 30.5 GB at most",
    ]  # fmt: skip
    assert "energy 7 kJ (1.944 Wh), GPU 7 kJ, 2000 steps per kJ; part of it was not measured" in " ".join(
        trainyard("seff", "7").out.split()
    )
