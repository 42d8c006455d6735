"""Imports point down, in the house and in its rooms; the contracts stand in pyproject.toml."""

import re
import shutil
import subprocess
import sys

import pytest

from tests.architecture import source


def lint(folder):
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as lint; lint()", "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)


BROKEN = [
    ("scheduling/errors.py", "import jobs.models", "The house"),
    ("telemetry/subject.py", "import jobs.models", "The house"),
    ("telemetry/lines.py", "import django", "Lines and traces know nothing"),
    ("quotas/models.py", "import workers.models", "The house"),
    ("jobs/models/job.py", "import executors.run", "The house"),
    ("jobs/tasks.py", "import api.v1", "The house"),
    ("executors/tasks.py", "import api.http", "The house"),
    ("api/v1/urls.py", "import console.site", "The house"),
    ("console/site.py", "import scheduler_site.env", "The house"),
    ("scheduler_site/env.py", "import local_stack.servers", "The house"),
    ("jobs/models/alert.py", "import jobs.state.transitions", "Inside jobs"),
    ("jobs/state/desired.py", "import jobs.messages.routing", "Inside jobs"),
    ("jobs/logs/gaps.py", "import jobs.attempts.claims", "Inside jobs"),
    ("jobs/attempts/claims.py", "import jobs.planning.cycle", "Inside jobs"),
    ("jobs/planning/cycle.py", "import jobs.attempts.claims", "Inside jobs"),
    ("jobs/control/actions.py", "import jobs.reports.explain", "Inside jobs"),
    ("jobs/submission/submit.py", "import jobs.control.actions", "Inside jobs"),
    ("scheduling/snapshot.py", "import scheduling.nodes.profile", "Inside scheduling"),
    ("scheduling/nodes/profile.py", "import scheduling.placement.base", "Inside scheduling"),
    ("scheduling/placement/base.py", "import scheduling.sharing.quotas", "Inside scheduling"),
    ("scheduling/sharing/quotas.py", "import scheduling.policies.base", "Inside scheduling"),
    ("scheduling/policies/base.py", "import scheduling.planning.plan", "Inside scheduling"),
    ("scheduling/planning/plan.py", "import scheduling.forecast.forecast", "Inside scheduling"),
    ("executors/run/saving.py", "import executors.upload.logs", "Inside executors"),
    ("executors/upload/logs.py", "import executors.session.sync", "Inside executors"),
    ("executors/session/sync.py", "import executors.node.runner", "Inside executors"),
    ("workers/hardware/disk.py", "import workers.runtime.process", "Inside workers"),
    ("workers/models.py", "import workers.heartbeats", "Inside workers"),
    ("workers/hardware/disk.py", "import django", "What measures a machine"),
    ("workers/runtime/process.py", "import celery", "What measures a machine"),
    ("scheduling/lifecycle.py", "import time", "The core decides without"),
    ("scheduling/lifecycle.py", "import django", "The core decides without"),
    ("cli/__init__.py", "import jobs.models", "The command line speaks HTTP only"),
    ("cli/views/tables.py", "import simulator.replay", "The command line speaks HTTP only"),
    ("simulator/clock.py", "import time", "The simulator drives the core alone"),
    ("simulator/clock.py", "import django", "The simulator drives the core alone"),
    ("scheduling/errors.py", "import simulator.clock", "The core decides without"),
    ("jobs/models/job.py", "import cli", "Nobody imports the command line"),
    ("jobs/models/job.py", "import trainyard.errors", "The platform imports nothing of the package trainyard"),
    ("cli/views/tables.py", "import trainyard.reporting", "The command line has its HTTP from trainyard"),
    ("trainyard/reporting.py", "import trainyard.errors", "What training scripts import needs nothing"),
    ("trainyard/durations.py", "import scheduling.errors", "The package trainyard knows nothing"),
    ("trainyard/http/requests.py", "import trainyard.code.sync", "Inside trainyard"),
]
"""A module, an import that points up from it, and the contract that refuses it."""


@pytest.fixture(scope="module")
def refusals(tmp_path_factory):
    """What is said of a copy of the product in which every contract is broken: its sections, one a contract."""
    copy = tmp_path_factory.mktemp("product")
    for package in source.packages():
        shutil.copytree(source.ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(source.ROOT / "pyproject.toml", copy)
    for file, line, _ in BROKEN:
        with (copy / file).open("a", encoding="utf-8") as code:
            code.write(f"\n{line}\n")
    done = lint(copy)
    assert done.returncode == 1
    _, *told = re.split(r"\n\n((?:[^\n-].*\n)+)-{5,}\n(?:-+\n)*", done.stdout.partition("Broken contracts")[2])
    return {" ".join(name.split()): body for name, body in zip(told[::2], told[1::2], strict=True)}


def test_every_import_keeps_the_contracts():
    done = lint(source.ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(("file", "line", "contract"), BROKEN)
def test_an_import_that_points_up_is_caught(refusals, file, line, contract):
    module = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    (said,) = (body for name, body in refusals.items() if name.startswith(contract))
    assert f"{module} -> {line.removeprefix('import ')} (l." in said
