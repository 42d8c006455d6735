"""Jobs in containers: by a real runtime where there is one (see tests/deploy/container_runtime.sh), else by their words."""

import os
import shutil
import subprocess
import tarfile
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from executors.node.containers import NodeContainers, name_of
from executors.node.job_environment import lay_out
from executors.run.placement_run import PlacementRun
from scheduling.lifecycle import EndReason
from tests.executors.node.test_environments import CLAIMED, log_of
from tests.waiting import wait_for
from workers.environments.containers import Box, LinesError, Mount, Runtime, detect, env_lines, of_client
from workers.runtime.process import Command, launch
from workers.runtime.shim.clock import boottime
from workers.runtime.walls import Place, Walls

RUNTIME = os.environ.get("TRAINYARD_TEST_RUNTIME", "")
BUSYBOX = os.environ.get("TRAINYARD_TEST_BUSYBOX") or shutil.which("busybox") or ""
BOX = Box("python:3", "trainyard-1-abc", "/code", "/env", (Mount("/code"), Mount("/lib", writable=False)), 1000, 1000,
          gpus=("GPU-1", "GPU-2"), memory_bytes=2**30, cores=(0, 1), processes=100)  # fmt: skip


def test_docker_is_asked_for_no_more_than_the_job_has():
    words = Runtime("docker", "/usr/bin/docker").run(BOX, ["python", "train.py"])
    assert words[:3] == ["/usr/bin/docker", "run", "--rm"]
    assert words[-3:] == ["--entrypoint=python", "python:3", "train.py"]
    for word in ("--name=trainyard-1-abc", "--user=1000:1000", "--memory=1073741824", "--cpuset-cpus=0,1", "--pids-limit=100",
                 '--gpus="device=GPU-1,GPU-2"', "--volume=/code:/code", "--volume=/lib:/lib:ro", "--workdir=/code",
                 "--cap-drop=ALL", "--security-opt=no-new-privileges", "--pull=never", "--env-file=/env"):  # fmt: skip
        assert word in words


def test_podman_names_devices_and_apptainer_is_the_user_itself():
    podman = Runtime("podman", "/usr/bin/podman").run(BOX, ["true"])
    assert "--device=nvidia.com/gpu=GPU-2" in podman
    apptainer = Runtime("apptainer", "/usr/bin/apptainer")
    words = apptainer.run(BOX, ["python", "train.py"])
    assert words[-3:] == ["python:3", "python", "train.py"]
    assert {"--nv", "--containall", "--bind", "/lib:/lib:ro"} <= set(words)
    assert (apptainer.as_user, apptainer.remove("x"), apptainer.has("x")) == (True, [], [])


def test_a_client_without_its_daemon_is_no_runtime(tmp_path):
    (tmp_path / "docker").write_text("#!/bin/sh\necho cannot connect >&2\nexit 1\n")
    (tmp_path / "docker").chmod(0o755)
    environ = {"PATH": str(tmp_path)}
    assert detect("auto", environ) is None
    with pytest.raises(ValueError, match="does not answer"):
        detect("docker", environ)
    (tmp_path / "docker").write_text("#!/bin/sh\necho 28\n")
    assert detect("auto", environ) == Runtime("docker", str(tmp_path / "docker"))
    assert detect("none", environ) is None


def test_a_runtime_heeds_no_variable_of_a_job_and_lines_are_not_split():
    assert of_client({"PATH": "/bin", "LD_PRELOAD": "x", "DOCKER_HOST": "y", "SECRET": "z"}) == {
        "PATH": "/bin",
        "DOCKER_HOST": "y",
    }
    assert env_lines({"A": "1 2", "B": ""}) == "A=1 2\nB=\n"
    with pytest.raises(LinesError, match="KEY"):
        env_lines({"KEY": "a\nb"})


def test_a_node_without_a_runtime_says_so(tmp_path, settings):
    settings.CONTAINER_RUNTIME = "none"
    containers = NodeContainers(Walls(tmp_path, tmp_path), tmp_path)
    containers.start()
    ending = containers.prepare(run_in("tiny", tmp_path))
    assert (ending.reason, "no container runtime" in ending.message) == (EndReason.SETUP_FAILED, True)


def run_in(image, tmp_path, *command, **env) -> PlacementRun:
    folder = tmp_path / "attempts" / "1"
    folder.mkdir(parents=True)
    claimed = replace(CLAIMED, token=uuid.uuid4().hex, command=command, env=env, environment={"image": image})
    return PlacementRun(claimed, folder, lease_deadline=boottime() + 60)


@pytest.fixture(scope="module")
def runtime():
    program = RUNTIME or shutil.which("podman") or ""
    found = detect(program, os.environ) if program else None
    if found is None or not BUSYBOX:
        reason = "no podman that answers, or no static busybox: see tests/deploy/container_runtime.sh"
        print(f"containers were not run for real here: {reason}")  # noqa: T201  so that nobody takes it for tried
        pytest.skip(reason)
    return program


@pytest.fixture(scope="module")
def image(runtime, tmp_path_factory):
    folder = tmp_path_factory.mktemp("image")
    (folder / "bin").mkdir()
    shutil.copy(BUSYBOX, folder / "bin" / "busybox")
    for name in ("sh", "cat", "echo", "sleep", "id", "env", "true", "touch"):
        (folder / "bin" / name).symlink_to("busybox")
    with tarfile.open(folder / "image.tar", "w") as tar:
        tar.add(folder / "bin", "bin")
    name = f"localhost/trainyard-test:{uuid.uuid4().hex[:8]}"
    subprocess.run([runtime, "import", str(folder / "image.tar"), name], check=True, capture_output=True)
    yield name
    subprocess.run([runtime, "rmi", "--force", name], check=False, capture_output=True)


class Node:
    """What a node does with a run in an image, without its session."""

    def __init__(self, home: Path, runtime: str, settings) -> None:
        settings.CONTAINER_RUNTIME = runtime
        lay_out(home / "python")
        self.home, self.containers = home, NodeContainers(Walls(home, home), home / "python")
        self.containers.start()

    def start(self, run):
        outputs = self.home / "outputs"
        outputs.mkdir(exist_ok=True)
        env = {**os.environ, **run.claimed.env, "TRAINYARD_OUTPUT_DIR": str(outputs), "PYTHONPATH": str(self.home / "python"),
               "TRAINYARD_REPORT": str(run.folder / "report.jsonl")}  # fmt: skip
        command = Command(run.claimed.command, str(outputs), env, 10**6, 2.0)
        place = Place(1, run.folder, (outputs,))
        return launch(run.folder, self.containers.around(command, place, run, ()), lease_deadline=run.lease_deadline)


@pytest.fixture
def node(runtime, tmp_path, settings):
    return Node(tmp_path, runtime, settings)


LOOK = 'echo "$GREETING $LD_LIBRARY_PATH"; echo {} > "$TRAINYARD_REPORT"; touch here; cat "$PYTHONPATH/trainyard/__init__.py" > /dev/null && exit 7'


def test_a_command_runs_in_its_image_with_its_folders_and_variables(node, image, tmp_path):
    run = run_in(image, tmp_path, "sh", "-c", LOOK, GREETING="hello there")
    assert node.containers.prepare(run) is None
    result = node.start(run).wait(60)
    assert (result.reason, result.exit_code) == ("exited", 7), log_of(run)
    assert log_of(run) == "hello there \n"
    assert (tmp_path / "outputs" / "here").exists()
    assert (run.folder / "report.jsonl").read_text() == "{}\n"


def test_an_image_that_is_not_there_fails_in_the_words_of_the_runtime(node, tmp_path):
    run = run_in("localhost/no-such-image:1", tmp_path, "true")
    ending = node.containers.prepare(run)
    assert ending.reason == EndReason.SETUP_FAILED
    assert "no-such-image" in ending.message
    assert "no-such-image" in log_of(run)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_nothing_of_a_container_outlives_its_shim(node, image, runtime, tmp_path, end):
    run = run_in(image, tmp_path, "sh", "-c", "echo begun; sleep 1000")
    shim = node.start(run)
    wait_for(lambda: "begun" in log_of(run), timeout=30)
    shim.stop(0.5) if end == "stop" else shim.kill()
    assert shim.wait(30) is not None
    node.containers.clear(run)
    there = subprocess.run(
        [runtime, "ps", "--all", "--format", "{{.Names}}"], capture_output=True, text=True, check=True
    )
    assert name_of(run) not in there.stdout.split()
