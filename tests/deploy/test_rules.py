"""deploy/prometheus/: what the real tools say of the rules, and that they speak of what is there."""

import re

import pytest
import yaml

from tests.architecture import source
from tests.deploy import prometheus

METRIC = re.compile(r"\btrainyard_\w+")
RECORDED = re.compile(r"\btrainyard:[\w:]+")
RUNBOOK = "{{ $externalLabels.docs }}/operations.md#"


def read(name):
    return yaml.safe_load((prometheus.FOLDER / name).read_text(encoding="utf-8"))


RULES = [rule for group in read("trainyard.rules.yml")["groups"] for rule in group["rules"]]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}


def told():
    """The samples that /metrics may have, by docs/metrics.txt, and exporters of nodes, by their table."""
    agents = set(re.findall(r"trainyard_agent_\w+", (source.ROOT / "docs/monitoring.md").read_text(encoding="utf-8")))
    families = [line.split() for line in (source.ROOT / "docs/metrics.txt").read_text(encoding="utf-8").splitlines()]
    parts = {"summary": ("_sum", "_count"), "histogram": ("_bucket", "_sum", "_count")}
    return agents | {name + part for name, kind in families for part in parts.get(kind, ("",))}


@pytest.mark.parametrize(
    "command",
    [
        ("promtool", "check", "rules", "trainyard.rules.yml"),
        ("promtool", "test", "rules", "trainyard.rules.test.yml"),
        ("promtool", "check", "config", "--syntax-only", "prometheus.yml"),
        ("victoria-metrics", "-dryRun", "-promscrape.config=victoria-metrics.yml"),
        ("vmalert", "-dryRun", "-rule=trainyard.rules.yml"),
    ],
    ids=" ".join,
)
def test_the_real_tool_has_nothing_to_say(command):
    done = prometheus.run(*command)
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules_use_only_metrics_that_are_told():
    used = {name for rule in RULES for name in METRIC.findall(rule["expr"])}
    assert used - told() == set()
    assert {name for rule in RULES for name in RECORDED.findall(rule["expr"])} <= {rule.get("record") for rule in RULES}


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_how_bad_it_is_what_it_means_and_what_to_do(name):
    alert = ALERTS[name]
    assert alert["labels"]["severity"] in {"critical", "warning", "info"}
    assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}
    assert alert["annotations"]["runbook_url"] == RUNBOOK + name.lower()
    page = (source.ROOT / "docs/operations.md").read_text(encoding="utf-8")
    assert re.search(rf"^### {name}$", page, re.MULTILINE)


@pytest.mark.parametrize("name", ALERTS)
def test_it_is_tested_when_an_alert_fires_and_when_it_does_not(name):
    cases = [case for case in read("trainyard.rules.test.yml")["tests"] if case["name"].startswith(name)]
    looks = [look for case in cases for kind in ("promql_expr_test", "alert_rule_test") for look in case.get(kind, [])]
    expected = [look.get("exp_samples") or look.get("exp_alerts") or [] for look in looks]
    assert any(name in str(one) or "exp_labels" in str(one) for one in expected)
    assert [] in expected
