"""The secrets of a job on their way to a node: sealed for it, between its claim and its start, and to nobody else."""

import base64
import json
from dataclasses import replace

import httpx
import pytest
from cryptography.fernet import Fernet
from django.db import connection
from psycopg import sql

from executors.node import job_secrets
from executors.run import state_files
from executors.run.placement_run import PlacementRun
from jobs.attempts import claims
from jobs.models import LogChunk, Placement
from jobs.secrets.sealing import Opener
from jobs.state.outcome import PlacementRef
from quotas.models import Secret
from quotas.secrets import setting
from quotas.secrets.setting import Holder
from scheduling.failures.retry import MEANINGS, NodeSuspicion, RetryBudget
from scheduling.lifecycle import EndReason
from tests import builders

pytestmark = pytest.mark.django_db(transaction=True)
VALUE = "hunter22-of-the-project"


@pytest.fixture
def site(live_server, settings):
    settings.SECRETS_KEYS = Fernet.generate_key().decode()
    settings.CODE_URL, settings.CODE_FETCH_SECONDS = live_server.url, 3
    return live_server


@pytest.fixture
def project(site):
    project = builders.project()
    admin = builders.member(project=project, role="admin")
    setting.set_secret(Holder(project=project), admin, "API_KEY", VALUE)
    return project


@pytest.fixture
def new_run(project, tmp_path):
    node = builders.node()

    def make(*names, owner=None, **fields):
        job = builders.job(project=project, state="queued", secrets=list(names or ["API_KEY"]), owner=owner, **fields)
        placement = builders.placement(attempt=builders.attempt(job=job), node=node)
        [claimed] = claims.claim([PlacementRef(placement.pk, str(placement.attempt.token))], node_id=node.pk)
        folder = tmp_path / "attempts" / str(placement.pk)
        folder.mkdir(parents=True)
        return PlacementRun(claimed, folder, lease_deadline=0)

    return make


def test_a_run_gets_the_values_that_its_job_names(new_run):
    run = new_run()
    assert job_secrets.prepare(run) is None
    assert run.secrets == {"API_KEY": VALUE}
    assert Secret.objects.get().last_used_at is not None


def test_its_owner_s_own_goes_before_the_project_s(new_run, project):
    owner = builders.member(project=project)
    setting.set_secret(Holder(user=owner), owner, "API_KEY", "my own value")
    run = new_run(owner=owner)
    assert job_secrets.prepare(run) is None
    assert run.secrets == {"API_KEY": "my own value"}


def test_a_job_without_secrets_asks_nobody(new_run, settings):
    run = new_run()
    run.claimed = replace(run.claimed, secrets=())
    settings.CODE_URL = "http://127.0.0.1:9"
    assert job_secrets.prepare(run) is None


def test_one_that_was_deleted_since_the_placement_ends_the_start_by_its_name(new_run):
    run = new_run()
    Secret.objects.all().delete()
    ending = job_secrets.prepare(run)
    assert ending.reason == EndReason.START_FAILED
    assert "Secret API_KEY does not exist in project" in ending.message


def test_a_site_that_does_not_answer_costs_no_owner_a_retry(new_run, settings):
    run = new_run()
    settings.CODE_URL, settings.CODE_FETCH_SECONDS = "http://127.0.0.1:9", 1
    ending = job_secrets.prepare(run)
    assert ending.reason == EndReason.SECRETS_UNAVAILABLE
    meaning = MEANINGS[ending.reason]
    assert (meaning.payer, meaning.suspicion) == (RetryBudget.PLATFORM, NodeSuspicion.NEVER)


def test_a_site_that_has_lost_its_keys_says_which_setting(new_run, settings):
    run = new_run()
    settings.SECRETS_KEYS, settings.CODE_FETCH_SECONDS = "", 1
    ending = job_secrets.prepare(run)
    assert ending.reason == EndReason.SECRETS_UNAVAILABLE
    assert "TRAINYARD_SECRETS_KEYS" in ending.message


def ask(site, placement_id, token, key=None):
    body = {"public_key": base64.b64encode(key or Opener(placement_id).public_key).decode()}
    url = f"{site.url}/api/v1/placements/{placement_id}/secrets"
    return httpx.post(url, json=body, headers={"Authorization": f"Placement {token}"})


def test_nobody_gets_them_without_the_token_or_once_the_command_runs(site, new_run):
    claimed = new_run().claimed
    assert ask(site, claimed.placement_id, "0" * 32).status_code == 404
    assert ask(site, claimed.placement_id, claimed.token).status_code == 200
    for state in ("running", "placed"):
        Placement.objects.filter(pk=claimed.placement_id).update(state=state)
        assert ask(site, claimed.placement_id, claimed.token).status_code == 404


def test_what_goes_over_the_network_opens_for_that_agent_and_that_placement_alone(site, new_run):
    claimed = new_run().claimed
    opener = Opener(claimed.placement_id)
    answer = ask(site, claimed.placement_id, claimed.token, opener.public_key)
    assert VALUE not in answer.text
    sealed = base64.b64decode(answer.json()["sealed"])
    assert opener.open(sealed) == {"API_KEY": VALUE}
    for other in (Opener(claimed.placement_id), Opener(claimed.placement_id + 1)):
        with pytest.raises(ValueError, match="not sealed"):
            other.open(sealed)
    assert ask(site, claimed.placement_id, claimed.token, b"x" * 31).status_code == 400


def test_its_log_is_masked_also_after_another_agent_goes_on_with_it(new_run):
    run = new_run()
    job_secrets.prepare(run)
    (run.folder / "log").write_bytes(f"key {VALUE}!\nagain {VALUE[:9]}".encode())
    chunk = run.log.next_chunk()
    assert bytes(chunk.data) == b"key ***!\nagain "
    assert run.log.next_chunk() is None
    chunk.save()

    (run.folder / "spec.json").write_text(json.dumps({"env": {"API_KEY": VALUE}}))
    after = PlacementRun(run.claimed, run.folder, lease_deadline=0)
    job_secrets.recall(after)
    after.log.resume()
    with (run.folder / "log").open("ab") as log:
        log.write(VALUE[9:].encode() + b"\nover\n")
    after.log.end(10_000)
    rest = [bytes(chunk.data) for chunk in iter(after.log.next_chunk, None)]
    assert rest[0] == b"***\nover\n"
    assert LogChunk.objects.get().printed == len(f"key {VALUE}!\nagain ")


def test_no_table_but_one_holds_anything_of_it_and_that_one_not_in_the_clear(new_run, project):
    run = new_run()
    job_secrets.prepare(run)
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        tables = [name for (name,) in cursor.fetchall()]
        for table in tables:
            count = sql.SQL("SELECT count(*) FROM {} AS one WHERE one::text ~ %s").format(sql.Identifier(table))
            cursor.execute(count, [f"{VALUE[:8]}|{VALUE[:8].encode().hex()}"])
            assert cursor.fetchone() == (0,), table
    assert len(tables) > 30


def test_a_secret_that_is_a_file_lies_in_a_folder_of_the_attempt_readable_alone(new_run):
    run = new_run(secret_files={"API_KEY": "gcp.json"})
    for _ in range(2):  # a launch that came to nothing is begun again
        assert job_secrets.prepare(run) is None
    folder = run.folder / "secrets"
    file = folder / "gcp.json"
    assert run.secrets == {"API_KEY_FILE": str(file), "TRAINYARD_SECRET_DIR": str(folder)}
    assert file.read_text() == VALUE
    assert (file.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o400, 0o700)
    assert (run.folder / "secret-files.json").stat().st_mode & 0o077 == 0
    assert [path.name for path in folder.iterdir()] == ["gcp.json"]


def test_a_log_is_masked_also_where_the_job_has_changed_its_file_and_another_agent_goes_on(new_run):
    run = new_run(secret_files={"API_KEY": "gcp.json"})
    job_secrets.prepare(run)
    (run.folder / "secrets" / "gcp.json").unlink()
    (run.folder / "spec.json").write_text(json.dumps({"env": run.secrets}))
    after = PlacementRun(run.claimed, run.folder, lease_deadline=0)
    job_secrets.recall(after)
    (run.folder / "log").write_bytes(f"key {VALUE}!\n".encode())
    assert bytes(after.log.next_chunk().data) == b"key ***!\n"


def test_a_name_that_climbs_out_is_written_nowhere(new_run):
    run = new_run(secret_files={"API_KEY": "../../x"})
    with pytest.raises(ValueError, match="no name of a file"):
        job_secrets.prepare(run)
    assert not (run.folder.parent / "x").exists()


def test_what_the_next_agent_reads_of_a_claim_names_the_files(new_run):
    run = new_run(secret_files={"API_KEY": "gcp.json"})
    state_files.write_claim(run.folder, run.claimed)
    found = state_files.read_claim(run.folder)
    assert found is not None
    assert found[0] == run.claimed
