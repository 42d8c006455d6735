"""compose.yaml as real Compose reads it: what it refuses, and what it would start."""

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from scheduler_site.settings import DRAIN_SECONDS, KILL_GRACE_SECONDS, MAX_GRACE_SECONDS

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = Path(sys.executable).with_name("docker-compose")
SECRETS = {
    "POSTGRES_PASSWORD": "secret-of-postgres",
    "TRAINYARD_AGENT_DATABASE_PASSWORD": "secret-of-the-agents",
    "REDIS_PASSWORD": "secret-of-redis",
    "TRAINYARD_SECRET_KEY": "secret-of-the-site",
    "FLOWER_BASIC_AUTH": "operator:secret-of-flower",
}
REQUIRED = {**SECRETS, "TRAINYARD_ALLOWED_HOSTS": "trainyard.example.com"}
SITE = {"migrate", "web", "beat", "control", "flower"}
NODES = {"cpu-worker", "gpu-worker"}


def compose(*arguments, variables, folder=ROOT, files=("compose.yaml",)):
    """What Compose makes of the files of this repository, with the files of settings that lie in `folder`."""
    command = [COMPOSE, "--project-directory", folder, "--env-file", os.devnull]
    command += [word for file in files for word in ("--file", ROOT / file)]
    command += ["--profile", "gpu", "config", *arguments]
    known = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **variables}
    return subprocess.run(command, cwd=ROOT, env=known, capture_output=True, text=True, timeout=60, check=False)


def read(folder=ROOT, **variables):
    done = compose("--format", "json", variables={**REQUIRED, **variables}, folder=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def model():
    return read()


@pytest.fixture(scope="module")
def services(model):
    return model["services"]


def test_it_is_valid_and_compose_has_nothing_to_say():
    done = compose("--quiet", variables=REQUIRED)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("missing", REQUIRED)
@pytest.mark.parametrize("value", [None, ""])
def test_a_required_variable_that_is_missing_is_named(missing, value):
    variables = {name: given for name, given in REQUIRED.items() if name != missing}
    done = compose("--quiet", variables=variables if value is None else {**variables, missing: value})
    assert done.returncode != 0
    assert f"required variable {missing} is missing a value: set " in done.stderr


def test_no_secret_stands_in_what_compose_writes():
    written = compose(variables=REQUIRED).stdout
    assert [secret for secret in SECRETS.values() if secret in written] == []


def test_the_example_names_every_required_variable():
    example = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    assert {line.removesuffix("=") for line in example if line.endswith("=")} == set(REQUIRED)


def test_every_service_is_there(services):
    assert set(services) == {"postgres", "redis"} | SITE | NODES


def test_only_the_site_and_flower_are_published_and_both_on_loopback(services):
    published = {name: service["ports"] for name, service in services.items() if service.get("ports")}
    assert set(published) == {"web", "flower"}
    assert {port["host_ip"] for ports in published.values() for port in ports} == {"127.0.0.1"}


def test_the_site_can_be_published_and_flower_cannot():
    services = read(TRAINYARD_BIND="0.0.0.0", TRAINYARD_PORT="80")["services"]
    (web,), (flower,) = services["web"]["ports"], services["flower"]["ports"]
    assert (web["host_ip"], web["published"]) == ("0.0.0.0", "80")
    assert flower["host_ip"] == "127.0.0.1"


def test_the_servers_are_on_a_network_without_a_way_out(model, services):
    assert model["networks"]["data"]["internal"] is True
    assert list(services["postgres"]["networks"]) == list(services["redis"]["networks"]) == ["data"]


def test_gpus_are_reserved_for_the_gpu_worker_alone(services):
    (device,) = services["gpu-worker"]["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": -1, "capabilities": ["gpu"]}
    assert "deploy" not in services["cpu-worker"]


def test_the_number_of_gpus_can_be_given():
    worker = read(GPU_COUNT="2")["services"]["gpu-worker"]
    assert worker["deploy"]["resources"]["reservations"]["devices"][0]["count"] == 2


def test_who_else_keeps_quotas_is_told_to_the_site_alone():
    services = read(QUOTA_PROVIDER="k8s", K8S_QUOTA_NAMESPACE="jobs-{project}", K8S_CREATE_RESOURCE_QUOTAS="no")[
        "services"
    ]
    for name in SITE:
        its = services[name]["environment"]
        assert (its["QUOTA_PROVIDER"], its["K8S_QUOTA_NAMESPACE"]) == ("k8s", "jobs-{project}")
        assert its["K8S_CREATE_RESOURCE_QUOTAS"] == "no"
    assert not any("QUOTA_PROVIDER" in services[name]["environment"] for name in NODES)


def test_the_gpu_worker_waits_for_its_profile(services):
    assert services["gpu-worker"]["profiles"] == ["gpu"]


def seconds(duration):
    minutes, _, rest = duration.rpartition("m")
    return int(minutes or 0) * 60 + int(rest.removesuffix("s") or 0)


@pytest.mark.parametrize("worker", sorted(NODES))
def test_a_worker_is_given_longer_to_stop_than_a_drain_takes(services, worker):
    assert seconds(services[worker]["stop_grace_period"]) > max(DRAIN_SECONDS + KILL_GRACE_SECONDS, MAX_GRACE_SECONDS)


@pytest.mark.parametrize("worker", sorted(NODES))
def test_workers_share_the_checkpoints(services, worker):
    mounts = {mount["target"]: mount["source"] for mount in services[worker]["volumes"]}
    assert mounts["/var/lib/trainyard/jobs"] == "checkpoints"


def test_each_replica_of_a_worker_names_its_node_after_its_own_container(services):
    for worker in NODES:
        assert "$$(hostname)" in services[worker]["command"][-1]
        assert not {"hostname", "container_name"} & set(services[worker])


def test_a_node_gets_only_the_secrets_that_it_needs(services):
    for worker in NODES:
        secrets = {secret["source"] for secret in services[worker]["secrets"]}
        assert secrets == {"agent_database_password", "redis_password"}
        assert services[worker]["environment"]["TRAINYARD_ROLE"] == "node"


def test_a_node_is_not_the_database_s_owner(services):
    for worker in NODES:
        environment = services[worker]["environment"]
        assert urlsplit(environment["DATABASE_URL"]).username == "trainyard_agent"
        assert environment["DATABASE_PASSWORD_FILE"] == "/run/secrets/agent_database_password"
        assert not [name for name in environment if name.startswith("TRAINYARD_SECRET_KEY")]


def test_the_agents_role_gets_its_rights_after_the_tables_are_up_to_date(services):
    last = services["migrate"]["command"][-1].split(" && ")[-2:]
    assert last == ["python manage.py migrate --noinput", "python manage.py agent_rights trainyard_agent"]


def test_only_the_site_gets_the_settings_of_the_site_alone(tmp_path):
    (tmp_path / "site.env").write_text("TRAINYARD_LOG_S3_SECRET_KEY=of-the-bucket\n")
    (tmp_path / "trainyard.env").write_text("TRAINYARD_LEASE_SECONDS=40\n")
    services = read(tmp_path)["services"]
    for name in SITE | NODES:
        assert ("TRAINYARD_LOG_S3_SECRET_KEY" in services[name]["environment"]) == (name in SITE)
        assert "TRAINYARD_LEASE_SECONDS" in services[name]["environment"]


def test_everything_waits_for_the_migration_to_end_well(services):
    for name in (SITE | NODES) - {"migrate"}:
        assert services[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
    assert services["migrate"]["restart"] == "no"
    assert "check --deploy --database default" in services["migrate"]["command"][-1]


def test_everything_waits_for_healthy_servers(services):
    for name in SITE | NODES:
        conditions = {services[name]["depends_on"][server]["condition"] for server in ("postgres", "redis")}
        assert conditions == {"service_healthy"}
    assert all("healthcheck" in services[name] for name in ("postgres", "redis", "web"))


def test_logs_are_rotated_everywhere(services):
    assert all(service["logging"]["options"]["max-size"] for service in services.values())


def test_our_own_containers_hold_no_privileges(services):
    for name in SITE | NODES:
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["security_opt"] == ["no-new-privileges:true"]


def test_no_container_with_secrets_is_read_only(services):
    """Compose copies secrets of the environment into the container, and refuses a read-only one at start."""
    assert [name for name, service in services.items() if service.get("read_only")] == []


@pytest.fixture(scope="module")
def hardened():
    files = ("compose.yaml", "deploy/compose.read-only.yaml")
    done = compose("--format", "json", variables=REQUIRED, files=files)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_with_secrets_in_files_every_container_but_the_database_s_is_read_only(hardened):
    assert all(secret.keys() == {"name", "file"} for secret in hardened["secrets"].values())
    writable = {name for name, service in hardened["services"].items() if not service.get("read_only")}
    assert writable == {"postgres"}


def test_a_read_only_container_keeps_its_mounts_and_has_its_state_in_a_volume_of_its_own(services, hardened):
    for name in SITE | NODES:
        before = {mount["target"] for mount in services[name].get("volumes", [])}
        mounts = {mount["target"]: mount for mount in hardened["services"][name]["volumes"]}
        assert before | {"/var/lib/trainyard"} == set(mounts)
        assert "source" not in mounts["/var/lib/trainyard"]  # an agent's identity is nobody else's
        assert any(mount.startswith("/tmp") for mount in hardened["services"][name]["tmpfs"])


def test_the_database_is_kept_where_postgresql_18_keeps_it(services):
    assert {mount["target"] for mount in services["postgres"]["volumes"]} == {"/var/lib/postgresql"}


def test_there_is_one_beat(services):
    assert services["beat"]["deploy"]["replicas"] == 1
