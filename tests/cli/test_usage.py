"""`trainyard usage`, `trainyard fairness`, `trainyard retention` and `trainyard idle-gpus`."""

import json

FIGURES = {
    "gpu_hours": 1234.5, "cpu_hours": 10.0, "cost": "12.500000", "attempts": 3, "starts": 4,
    "wait_median_seconds": 1020.0, "wait_p95_seconds": 18720.0, "gpu_utilisation": 0.42, "cpu_utilisation": None,
    "idle_gpu_hours": 7.0, "failed_gpu_hours_owner": 1.5, "failed_cpu_hours_owner": 0.0,
    "failed_gpu_hours_platform": 0.5, "failed_cpu_hours_platform": 0.0, "preempted_gpu_hours": 2.0,
    "preempted_cpu_hours": 0.0, "lost_gpu_hours": 0.25, "lost_cpu_hours": 0.0, "energy_kwh": None,
}  # fmt: skip
UNKNOWN = FIGURES | {
    "gpu_utilisation": None,
    "idle_gpu_hours": None,
    "wait_median_seconds": 42.0,
    "wait_p95_seconds": None,
}
REPORT = {
    "currency": "EUR", "since": "2030-05-01T00:00:00Z", "until": "2030-05-08T12:00:00Z", "time_zone": "UTC",
    "group_by": "user", "period": "week", "left_off": 2, "rolled_up_until": None,
    "rows": [
        {"key": "ada", "period": "2030-W18", "period_start": "2030-05-01T00:00:00Z", **FIGURES},
        {"key": "", "period": "2030-W19", "period_start": "2030-05-06T00:00:00Z", **UNKNOWN},
    ],
    "total": FIGURES,
}  # fmt: skip


def test_usage_is_shown_by_period_and_group_with_its_sum(trainyard, connected):
    connected.answers("GET", "usage", REPORT)

    outcome = trainyard("usage", "--by", "user", "--every", "week", "--zone", "Europe/Berlin", "-l", "team=vision")

    assert [line.split() for line in outcome.out.splitlines()[1:]] == [
        [
            "2030-W18",
            "ada",
            "1,234.50",
            "10.00",
            "12.50",
            "4",
            "17m",
            "00s",
            "5h",
            "12m",
            "42%",
            "7.00",
            "2.00",
            "0.25",
        ],
        ["2030-W19", "(none)", "1,234.50", "10.00", "12.50", "4", "42s", "-", "-", "-", "2.00", "0.25"],
        ["all", "1,234.50", "10.00", "12.50", "4", "17m", "00s", "5h", "12m", "42%", "7.00", "2.00", "0.25"],
    ]
    assert "2 more rows" in outcome.err
    asked = connected.asked[0]
    assert (asked.query["time_zone"], asked.query["label"], asked.query["period"]) == (
        ["Europe/Berlin"], ["team=vision"], ["week"],
    )  # fmt: skip


def test_energy_has_a_column_once_some_was_measured(trainyard, connected):
    measured = FIGURES | {"energy_kwh": 12.345}
    connected.answers(
        "GET", "usage", REPORT | {"rows": [{"key": "ada", "period": "2030-W18", **UNKNOWN}], "total": measured}
    )
    lines = [line.split() for line in trainyard("usage").out.splitlines()]
    assert (lines[0][-1], lines[1][-1], lines[2][-1]) == ("KWH", "-", "12.3")


def test_usage_as_json_is_the_servers_answer(trainyard, connected):
    connected.answers("GET", "usage", REPORT)
    assert json.loads(trainyard("usage", "--json").out) == REPORT


def test_a_time_that_means_nothing_is_refused_by_its_option(trainyard, connected):
    outcome = trainyard("usage", "--until", "soon")
    assert outcome.code == 2
    assert "--until: 'soon' is not a moment" in outcome.err


def test_fairness_is_shown_week_by_week_with_why_and_the_index(trainyard, connected):
    amounts = {"wanted": 16, "entitled": 8, "received": 0, "lent": 0, "borrowed": 0, "short": 8, "waited": 16}
    told = {"key": "speech", **amounts, "why": "It was 8.00 short."}
    weeks = [
        {"week": "2030-W18", "start": "2030-05-01T00:00:00Z", "jain_index": 0.5, "statements": [told]},
        {"week": "2030-W19", "start": "2030-05-06T00:00:00Z", "jain_index": None, "statements": []},
    ]
    answer = {**{name: REPORT[name] for name in ("since", "until", "time_zone")}, "group_by": "project", "weeks": weeks}
    connected.answers("GET", "usage/fairness", answer)

    outcome = trainyard("fairness", "--since", "2030-05-01T00:00+00:00")

    assert outcome.out.splitlines()[1].split(maxsplit=9) == [
        "2030-W18", "speech", "16.00", "8.00", "0.00", "0.00", "0.00", "8.00", "16.00", "It was 8.00 short.",
    ]  # fmt: skip
    assert "Jain index: 2030-W18 0.50" in outcome.err
    assert json.loads(trainyard("fairness", "--json").out) == answer


def test_a_limit_of_outputs_is_set_and_told(trainyard, connected):
    path = "projects/vision/retention"
    kept = {"output_gb": 500, "output_gb_from_project": "org", "outputs_kept_gb": 12.5}
    told = {"project": "vision", "job_days": None, "from_project": None, "output_days": 30, **kept}
    connected.answers("GET", path, told)
    connected.answers("PATCH", path, told)

    said = trainyard("retention", "-p", "vision", "--output-gb", "500").out
    trainyard("retention", "-p", "vision", "--output-gb", "none")

    assert said.endswith("It keeps 12.5 GB of that, and at most 500 GB may be kept in org.\n")
    assert [one.body for one in connected.asked if one.body] == [{"output_gb": 500.0}, {"output_gb": None}]


def test_retention_is_told_set_and_inherited(trainyard, connected):
    path = "projects/vision/retention"
    connected.answers("GET", path, {"project": "vision", "job_days": 90, "from_project": "org", "output_days": 30})
    connected.answers("PATCH", path, {"project": "vision", "job_days": 90, "from_project": "vision", "output_days": 30})
    connected.answers("DELETE", path, {"project": "vision", "job_days": 90, "from_project": "org", "output_days": 30})

    told = trainyard("retention", "-p", "vision", "--days", "90")
    trainyard("retention", "-p", "vision", "--forever"), trainyard("retention", "-p", "vision", "--inherit")

    assert (
        told.out
        == "Jobs of vision are kept for 90 days after their end, as org has it; what they have left, for 30 days after their end.\n"
    )
    assert [one.body for one in connected.asked if one.method == "PATCH"] == [{"job_days": 90}, {"job_days": None}]
    assert [one.method for one in connected.asked][-2:] == ["DELETE", "GET"]
    assert trainyard("retention", "--days", "1", "--forever").code == 2
    assert trainyard("retention", "--output-gb", "many").code == 2
    assert trainyard("retention", "--output-gb", "-1").code == 2
    assert trainyard("retention", "--output-gb", "inf").code == 2
    assert trainyard("retention", "--output-days", "1", "--inherit").code == 2
    assert trainyard("retention", "--output-days", "soon").code == 2
    (
        trainyard("retention", "-p", "vision", "--output-days", "7"),
        trainyard("retention", "-p", "vision", "--output-days", "job"),
    )
    said = [one.body for one in connected.asked if one.method == "PATCH"][-2:]
    assert said == [{"output_days": 7}, {"output_days": None}]


def test_what_becomes_of_idle_gpus_is_told_set_and_inherited(trainyard, connected):
    path = "projects/vision/idle-gpus"
    rule = {
        "warn_minutes": 15, "suggest_minutes": None, "requeue_minutes": 60, "stop_minutes": 240, "requeue_priority": 5,
        "max_requeues": 1, "start_minutes": 10, "from_project": "org",
    }  # fmt: skip
    for method in ("GET", "PATCH", "DELETE"):
        connected.answers(method, path, rule)
    nothing = {f"{rung}_minutes": None for rung in ("warn", "suggest", "requeue", "stop")}
    connected.answers("GET", "queues/night/idle-gpus", rule | nothing | {"from_project": None})

    set_ = trainyard("idle-gpus", "-p", "vision", "--warn", "15", "--requeue", "60", "--priority", "5", "--stop", "240")
    trainyard("idle-gpus", "-p", "vision", "--off"), trainyard("idle-gpus", "-p", "vision", "--inherit")

    assert set_.out == (
        "Jobs of vision whose GPUs idle are warned after 15 minutes, requeued with priority 5 (at most once) after 60 minutes "
        "and ended after 240 minutes, as org has it; the first 10 minutes do not count.\n"
    )
    asked = {"warn_minutes": 15, "requeue_minutes": 60, "requeue_priority": 5, "stop_minutes": 240}
    assert [one.body for one in connected.asked if one.method == "PATCH"] == [asked, nothing]
    assert [one.method for one in connected.asked][-2:] == ["DELETE", "GET"]
    assert trainyard("idle-gpus", "--queue", "night").out == "Nothing becomes of jobs in queue night whose GPUs idle.\n"
    assert trainyard("idle-gpus", "--off", "--warn", "5").code == 2
