"""The command line as a distribution of its own, in an environment that holds nothing else."""

import os
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "packaging/cli/pyproject.toml").read_text(encoding="utf-8"))
MOST_MEGABYTES = 40
PACKAGES = ("cli", "scheduling", "simulator", "streams", "trainyard")


def needs(requirements):
    """The names of these and all that they need here."""
    found, todo = set(), [Requirement(text) for text in requirements]
    while todo:
        one = todo.pop()
        if one.name not in found and (one.marker is None or one.marker.evaluate({"extra": ""})):
            found.add(one.name)
            todo += [Requirement(text) for text in distribution(one.name).requires or []]
    return found


def lay(name, site_packages):
    """Install what is installed here, in the pinned version, without asking an index."""
    for file in distribution(name).files or []:
        if ".." not in file.parts and "__pycache__" not in file.parts:
            target = site_packages / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file.locate(), target)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A fresh environment with the wheel and what it says that it needs."""
    folder = tmp_path_factory.mktemp("alone")
    shutil.copytree(
        ROOT / "packaging/cli", folder / "packaging/cli", ignore=shutil.ignore_patterns("build", "*.egg-info")
    )
    for package in PACKAGES:
        (folder / package).symlink_to(ROOT / package)
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", folder, folder / "packaging/cli"]
    subprocess.run(build, check=True, timeout=100)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "env"], check=True, timeout=60)
    [wheel], python = folder.glob("*.whl"), folder / "env/bin/python"
    install = [*pip, "--python", python, "install", "--no-deps", "--no-index", "--no-compile", wheel]
    subprocess.run(install, check=True, timeout=60)
    [site_packages] = (folder / "env/lib").glob("python*/site-packages")
    for name in needs(PROJECT["project"]["dependencies"]):
        lay(name, site_packages)
    return folder / "env"


def run(env, *words):
    """What the command says and its exit code, with nothing of this checkout in sight."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TRAINYARD"))}
    command = [env / "bin/trainyard", *words]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=env, env=environ, timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_it_runs_and_is_small(alone):
    assert run(alone, "version") == (0, f"trainyard {PROJECT['project']['version']}\n")
    code, told = run(alone, "--help")
    assert (code, "Submit a training job" in told) == (0, True)
    code, told = run(alone, "list", "--url", "http://127.0.0.1:1", "--token-file", os.devnull)
    assert (code, "holds no token" in told) == (2, True)
    size = sum(file.stat().st_size for file in (alone / "lib").rglob("*.*") if file.suffix != ".pyc") / 2**20
    assert size < MOST_MEGABYTES


def test_what_it_cannot_do_alone_says_what_to_install(alone):
    assert run(alone, "simulate", "synthetic:10")[0] == 0
    code, told = run(alone, "simulate", "synthetic:10", "--plots", alone / "pictures")
    assert (code, told) == (1, "error: --plots needs matplotlib: pip install 'trainyard-cli[simulate]'\n")
    code, told = run(alone, "simulate", "synthetic:10", "--placement", "fgd")
    assert (code, "needs numpy: pip install 'trainyard-cli[simulate]'" in told) == (1, True)
    code, told = run(alone, "mcp", "--url", "http://127.0.0.1:1")
    assert (code, told) == (1, "error: this needs mcp: pip install 'trainyard-cli[mcp]'\n")


def test_it_is_the_same_version_and_holds_every_package():
    whole = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    folders = {path.parent.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    assert PROJECT["project"]["version"] == whole["project"]["version"]
    assert sorted(PROJECT["tool"]["setuptools"]["packages"]) == sorted(".".join(one.parts) for one in folders)


def test_what_it_needs_is_what_the_platform_was_tested_with():
    pinned = dict(
        line.split("==")
        for file in ("requirements.txt", "requirements-mcp.txt")
        for line in (ROOT / file).read_text().splitlines()
        if "==" in line and ";" not in line
    )
    extras = PROJECT["project"]["optional-dependencies"].values()
    for wanted in map(Requirement, [*PROJECT["project"]["dependencies"], *chain(*extras)]):
        assert wanted.specifier.contains(pinned[wanted.name])
