"""`manage.py apply`: the database becomes what the file declares, by the rules of REST, whole or not at all."""

from datetime import timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from jobs.models import JobRetention, Queue
from quotas import projects
from quotas.models import Budget, Membership, Price, Project, Quota
from scheduling.lifecycle import JobState
from tests import builders
from tests.racing import race
from workers.models import NodePool

pytestmark = pytest.mark.django_db
NOTHING = "Nothing to do"


@pytest.fixture
def apply(tmp_path):
    def run(text, *options):
        path = tmp_path / "setup.yaml"
        path.write_text(text, encoding="utf-8")
        told = StringIO()
        call_command("apply", "-f", str(path), *options, stdout=told)
        return told.getvalue()

    return run


def refusal(apply, text, *options):
    with pytest.raises(CommandError) as refused:
        apply(text, *options)
    return str(refused.value)


def parents():
    return dict(Project.objects.values_list("slug", "parent__slug"))


def test_what_changes_is_shown_from_and_to_and_the_rest_stays(apply):
    apply("projects: [{slug: team, name: Team, limits: {gpus: 8, memory_gb: 64}}]")
    told = apply("projects: [{slug: team, weight: 3, limits: {gpus: 16}}]")

    assert "change project team (weight: 1 -> 3)" in told
    assert "change quota of team (gpus: 8 -> 16)" in told
    team = Project.objects.get(slug="team")
    assert (team.name, team.weight, team.quota.gpus, team.quota.memory_mb) == ("Team", 3, 16, 65_536)


def test_null_takes_a_limit_away(apply):
    apply("projects: [{slug: team, limits: {gpus: 8}}]")
    assert "gpus: 8 -> none" in apply("projects: [{slug: team, limits: {gpus: null}}]")
    assert Quota.objects.get().gpus is None


def test_all_that_a_quota_may_say_is_declared_in_the_units_of_the_file(apply):
    text = """projects: [{slug: team, limits: {gpu_hours_ahead: 100}, max_nodes: 4, gpu_models: {h100: 8},
                 user_limits: {gpus: 2, memory_gb: 64, gpu_hours_ahead: 12.5}}]"""
    told = apply(text)
    assert (
        "create quota of team (gpu_hours_ahead: 100, user_gpus: 2, user_memory_gb: 64, user_gpu_hours_ahead: 12.5, "
        "max_nodes: 4, gpu_models: {h100: 8})"
    ) in told
    assert apply(text).startswith(NOTHING)
    quota = Quota.objects.get()
    assert (quota.gpu_seconds_ahead, quota.user_memory_mb, quota.max_nodes) == (360_000, 65_536, 4)
    assert "gpu_models: {h100: 8} -> {}" in apply("projects: [{slug: team, gpu_models: {}}]")


def test_the_memory_of_a_pool_is_shown_and_changed_in_gigabytes(apply):
    apply("pools: [{name: p, cpus: 8, memory_gb: 64, gpus: 1, gpu_memory_gb: 80, max_nodes: 2}]")
    told = apply("pools: [{name: p, cpus: 8, memory_gb: 96, gpus: 1, gpu_memory_gb: 40, max_nodes: 2}]")
    assert "change pool p (memory_gb: 64 -> 96, gpu_memory_gb: 80 -> 40)" in told
    assert NodePool.objects.get().memory_mb == 98_304


@pytest.mark.parametrize("order", [("top", "middle", "low"), ("low", "middle", "top"), ("middle", "low", "top")])
def test_projects_are_made_after_what_is_above_them_wherever_they_stand(apply, order):
    above = {"top": "", "middle": ", parent: top", "low": ", parent: middle"}
    apply("projects:\n" + "".join(f"  - {{slug: {slug}{above[slug]}}}\n" for slug in order))
    assert parents() == {"top": None, "middle": "top", "low": "middle"}


def test_a_branch_is_turned_upside_down(apply):
    top = builders.project(slug="top")
    builders.project(slug="low", parent=builders.project(slug="middle", parent=top))
    apply("projects: [{slug: top, parent: middle}, {slug: middle, parent: low}, {slug: low, parent: null}]")
    assert parents() == {"low": None, "middle": "low", "top": "middle"}


def test_a_circle_is_refused_with_its_line(apply):
    told = refusal(apply, "projects:\n  - {slug: a, parent: b}\n  - {slug: b, parent: a}\n")
    assert "setup.yaml:2: project a: parent: lies below itself: a below b below a." in told
    assert parents() == {}


def test_members_come_change_and_leave_only_when_pruned(apply):
    ada, bob = builders.user(username="ada"), builders.user(username="bob")
    builders.project(slug="team", members=[ada, bob], role="admin")
    text = "projects: [{slug: team, members: {ada: viewer}}]"

    assert "change member ada of team (role: admin -> viewer)" in apply(text)
    assert set(Membership.objects.values_list("user__username", "role")) == {("ada", "viewer"), ("bob", "admin")}
    assert "delete member bob of team" in apply(text, "--prune")
    assert apply("projects: [{slug: team}]", "--prune").startswith(NOTHING)
    assert Membership.objects.get().user == ada


def test_a_limit_of_outputs_is_held_against_the_one_above_and_taken_away(apply):
    text = "projects: [{slug: team, parent: org, output_gb: %s}, {slug: org, output_gb: 50}]"
    assert "create limit of outputs of org (output_gb: 50)" in apply(text % 20)
    assert "change limit of outputs of team (output_gb: 20 -> 10)" in apply(text % 10)
    assert "org keeps at most 50 GB" in refusal(apply, text % 51)
    assert "delete limit of outputs of team" in apply(text % "null")
    assert apply(text % "null").startswith(NOTHING)


def test_a_dry_run_tells_all_of_it_and_does_nothing(apply):
    text = "projects: [{slug: team, limits: {gpus: 8}, job_days: 30}]\nprices: [{target: cpu, per_hour: 1}]"
    told = apply(text, "--dry-run")
    assert "create project team" in told
    assert "Would be: 4 created. Nothing was done." in told
    assert (Project.objects.count(), Price.objects.count(), JobRetention.objects.count()) == (0, 0, 0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("projects:\n  - slug: team\n    limts: {gpus: 1}", "yaml:3: project team: limts: There is no such field. Did you mean limits?"),
        ("projects:\n  - slug: team\n    limits:\n      gpus: many", "yaml:4: project team: limits.gpus: A valid integer"),
        ("projects:\n  - slug: a\n    limits: {gpu_hours_ahead: 0.125}", "yaml:3: project a: limits.gpu_hours_ahead: Must have at most two digits"),
        ("projects:\n  - slug: a\n    max_nodes: 0", "yaml:3: project a: max_nodes: "),
        ("projects:\n  - slug: a\n    gpu_models: {'*': 1}", "yaml:3: project a: gpu_models: '*': name a model whole"),
        ("projects:\n  - slug: Team", "yaml:2: project Team: slug: Use lower-case letters"),
        ("projects:\n  - slug: team\n    budgets:\n      - {period: month}", "yaml:4: project team: budgets.0.amount: This field is required"),
        ("projects:\n  - slug: team\n    budgets:\n      - {amount: 1, period: once}", "yaml:4: soft budget of team, money once: ends_at: Say until when"),
        ("projects:\n  - slug: team\n    members:\n      nobody: admin", "yaml:4: member nobody of team: user: There is no user 'nobody'"),
        ('projects:\n  - slug: team\n    members: {"\\0": admin}', "yaml:3: member \0 of team: Holds characters that cannot be stored."),
        ("projects:\n  - slug: team\n    members: {a: boss}", 'yaml:3: project team: members.a: "boss" is not a valid choice'),
        ("projects:\n  - slug: team\n    parent: none", "yaml:3: project team: parent: There is no project 'none'"),
        ("projects: [{slug: a}]\nqueues:\n  - name: q\n    allowed_projects: [x]", "yaml:4: queue q: allowed_projects: There is no project 'x'"),
        ("projects: [{slug: a}]\nqueues:\n  - name: q\n    policy: best", "yaml:4: queue q: policy: "),
        ("projects: [{slug: a}]\npools:\n  - {name: p, cpus: 1, memory_gb: 1, min_nodes: 9, max_nodes: 1}", "yaml:3: pool p: "),
        ("projects: [{slug: a}]\nprices:\n  - {target: cpu, per_hour: -1}", "yaml:3: price of cpu: per_hour: Ensure this value is greater"),
        ("projects: [{slug: a}]\nprices:\n  - {target: cpu, per_hour: 1, currency: USD}", "yaml:3: price of cpu: currency: This platform reckons in EUR"),
        ("projects:\n  - {slug: a}\n  - {slug: a}", "yaml:3: project a stands at"),
        ("projects:\n  - slug: a\n    slug: b", "yaml:3: slug stands on line 2 already"),
        ("projects: [{slug: a}]\nproject: []", "yaml:2: there is no section project. There are: projects,"),
        ("projects: {a: 1}", "yaml:1: projects must be a list"),
        ("projects: [a]", "yaml:1: projects: Must be an object"),
        ("projects: [{slug: a}", "cannot be read as YAML"),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong_is_refused_by_line_and_field_and_leaves_nothing_behind(apply, text, words):
    told = refusal(apply, text)
    assert words in told
    assert told.endswith("Nothing was done.")
    assert (Project.objects.count(), Price.objects.count(), NodePool.objects.count()) == (0, 0, 0)


def test_all_faults_of_the_file_are_told_at_once(apply):
    told = refusal(apply, "projects: [{slug: A}]\nprices: [{target: disk, per_hour: 1}]")
    assert ("project A: slug" in told, "target" in told) == (True, True)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CommandError, match=r"gone.yaml: cannot be read: No such file"):
        call_command("apply", "-f", str(tmp_path / "gone.yaml"))


def test_a_price_that_changes_ends_as_its_successor_begins(apply):
    apply("prices: [{target: gpu_model, name: H100, per_hour: 2.50}]")
    assert "change price of gpu_model h100 (per_hour: 2.5 -> 3)" in apply(
        "prices: [{target: gpu_model, name: h100, per_hour: 3}]"
    )
    before, after = Price.objects.order_by("valid_from")
    assert (before.per_hour, after.per_hour) == (Decimal("2.5"), Decimal(3))
    assert before.valid_to == after.valid_from
    assert after.created_by == "manage.py apply"


def test_a_price_that_was_announced_is_not_overruled(apply):
    soon = timezone.now() + timedelta(days=1)
    Price.objects.create(target="cpu", per_hour=1, currency="EUR", valid_from=soon)
    assert apply("prices: [{target: cpu, per_hour: 1}]").startswith(NOTHING)
    assert "yaml:1: price of cpu: " in refusal(apply, "prices: [{target: cpu, per_hour: 2}]")


def test_budgets_are_told_apart_by_unit_period_and_kind(apply):
    text = (
        "projects: [{{slug: team, budgets: [{{amount: {}, period: month}}, {{amount: 9, period: month, hard: yes}}]}}]"
    )
    apply(text.format(5))
    assert "change soft budget of team, money a month (amount: 5 -> 6)" in apply(text.format(6))
    assert sorted(Budget.objects.values_list("amount", "hard")) == [(Decimal(6), False), (Decimal(9), True)]
    apply("projects: [{slug: team, budgets: []}]")
    assert Budget.objects.count() == 2
    assert "delete hard budget of team, money a month" in apply("projects: [{slug: team, budgets: []}]", "--prune")
    assert Budget.objects.count() == 0


def test_of_two_budgets_that_fit_none_is_guessed(apply):
    team = builders.project(slug="team")
    for amount in (1, 2):
        Budget.objects.create(project=team, amount=amount, currency="EUR", period="month")
    told = refusal(apply, "projects: [{slug: team, budgets: [{amount: 3, period: month}]}]")
    assert "soft budget of team, money a month: there are several of them" in told


def test_nothing_goes_without_prune_and_what_has_a_history_is_kept_with_it(apply):
    used, empty = builders.project(slug="used"), builders.project(slug="empty")
    builders.project(slug="below", parent=empty)
    builders.project(slug="under", parent=used)
    old, new = builders.queue(name="old"), builders.queue(name="new")
    builders.job(project=used, queue=old, state=JobState.COMPLETED)
    Price.objects.create(target="cpu", per_hour=1, currency="EUR", valid_from=timezone.now() - timedelta(days=1))
    text = "projects: [{slug: team}]\nqueues: [{name: live}]\nprices: []\npools: []"

    apply(text)
    assert (Project.objects.filter(archived=False).count(), Queue.objects.filter(state="open").count()) == (5, 5)
    told = apply(text, "--prune")

    assert parents().keys() == {"team", "used"}
    assert Project.objects.get(slug="used").archived
    assert set(Queue.objects.values_list("name", "state")) == {
        ("live", "open"),
        ("default", "open"),
        ("old", "draining"),
    }
    assert Price.objects.get().valid_to is not None
    assert ("archive project used" in told, "drain queue old" in told, "end price of cpu" in told) == (True, True, True)
    assert apply(text, "--prune").startswith(NOTHING)
    assert new.pk


def test_sections_that_the_file_has_not_are_not_pruned(apply):
    builders.project(slug="other")
    apply("prices: []", "--prune")
    assert (Project.objects.count(), Queue.objects.count()) == (1, 3)


def test_every_row_is_as_declared_the_second_time(apply):
    builders.project(slug="ml")
    text = """
projects:
  - {slug: ml, name: ML, archived: yes, limits: {memory_gb: 1.5}, lending_limits: {memory_gb: 1}, enforced: no, job_days: null, output_gb: 1.5,
     budgets: [{amount: "10.5", period: once, unit: gpu_hours, ends_at: 2130-01-01T00:00:00Z}]}
queues:
  - {name: q, max_memory_gb: 1.5, placement_weights: {price: 2}, allowed_projects: [ml], state: paused, policy: fifo}
pools:
  - {name: p, cpus: 4, memory_gb: 15.5, gpus: 1, gpu_memory_gb: 80, labels: {zone: a}, actuator: none, paused: yes}
"""
    apply(text)
    assert apply(text, "--prune", "--dry-run") != ""
    assert apply(text).startswith(NOTHING)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "text", ["queues: [{name: q}]", "projects: [{slug: a, limits: {gpus: 8}}]", "prices: [{target: cpu, per_hour: 1}]"]
)
def test_of_two_at_once_the_second_waits_and_finds_nothing_to_do(apply, text):
    told = race(lambda: apply(text), lambda: apply(text))
    assert told.startswith(NOTHING)


@pytest.mark.django_db(transaction=True)
def test_who_comes_second_after_somebody_at_rest_is_told_to_apply_again(apply):
    staff, text = builders.user(staff=True), "projects: [{slug: first}, {slug: team}]"
    told = race(lambda: projects.create(actor=staff, slug="team"), lambda: refusal(apply, text))
    assert "project team: Somebody else changed the same meanwhile" in told
    assert parents() == {"team": None}


@pytest.mark.django_db(transaction=True)
def test_what_is_refused_at_the_end_takes_back_what_was_done_before(apply):
    refusal(apply, "projects: [{slug: team, limits: {gpus: 8}}]\nqueues: [{name: q, allowed_projects: [nowhere]}]")
    assert (Project.objects.count(), Quota.objects.count(), Queue.objects.filter(name="q").count()) == (0, 0, 0)
