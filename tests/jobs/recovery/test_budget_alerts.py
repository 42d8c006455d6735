"""Alerts of budgets: once in a period, however many look; by e-mail and signed webhook, tried again later when it fails."""

import hashlib
import hmac
import json
import threading
from datetime import timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.core import mail
from django.utils import timezone

from jobs.models import StandingAlert
from jobs.planning.budget_use.reports import reports_of
from jobs.recovery import budget_alerts
from jobs.reports.metrics.exposition import exposition
from quotas.budgets import alerts, webhooks
from quotas.models import Budget, BudgetAlert, BudgetDelivery, BudgetWebhook
from scheduling.errors import UnavailableError
from tests import builders
from tests.racing import race
from tests.rest import V1, client_of, faults

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
SECRET = "a secret that nobody sees"


@pytest.fixture
def project():
    return builders.project(slug="vision")


def budget(project, amount=10, **fields):
    known = {"period": "once", "starts_at": timezone.now() - HOUR, "ends_at": timezone.now() + 99 * HOUR, **fields}
    return Budget.objects.create(project=project, unit="gpu_hours", amount=Decimal(amount), **known)


def running(project, gpus, hours):
    node = builders.node(gpus=gpus)
    return builders.running_job(
        project=project, node=node, gpu_indices=list(range(gpus)), max_runtime_seconds=hours * 3600
    )


def kinds():
    return list(BudgetAlert.objects.order_by("id").values_list("kind", flat=True))


def test_each_part_that_is_used_is_told_once_in_a_period(project):
    known = budget(project)
    running(project, 1, 6)
    assert (budget_alerts.watch(), budget_alerts.watch(), kinds()) == (1, 0, ["50"])
    running(project, 1, 6)
    assert (budget_alerts.watch(), kinds()) == (3, ["50", "80", "100", "forecast"])
    Budget.objects.filter(pk=known.pk).update(starts_at=timezone.now())  # as the next period begins
    assert budget_alerts.watch() == 4


def test_nothing_is_told_of_a_budget_of_which_little_is_used(project):
    budget(project)
    budget(project, amount=0)
    running(project, 1, 1)
    budget_alerts.watch()
    assert set(BudgetAlert.objects.values_list("budget__amount", flat=True)) == {0}


def test_operators_see_it_on_their_pages_for_as_long_as_it_lasts(project):
    known = budget(project)
    running(project, 2, 6)
    budget_alerts.watch()
    [alert] = StandingAlert.objects.all()
    assert "The budget of project vision will probably be overrun" in alert.sentence
    Budget.objects.filter(pk=known.pk).update(amount=100)
    budget_alerts.watch()
    assert not StandingAlert.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_sweeps_at_once_one_tells():
    known = budget(builders.project())
    running(known.project, 1, 6)
    BudgetWebhook.objects.create(budget=known, url="https://example.org", secret=SECRET)

    def tell():
        [report] = reports_of([known])
        figures = {"spent": 0, "committed": 6, "forecast": 6, "amount": 10}
        return alerts.tell(BudgetAlert(budget=known, since=report.since, kind="50", **figures))

    assert race(tell, tell) is False
    assert BudgetDelivery.objects.count() == 1


def test_the_projects_admins_get_an_email(project, settings):
    settings.EMAIL_HOST = "mail.example.org"
    builders.member(project=project, user=builders.user(email="ada@example.org"), role="admin")
    builders.member(project=project, user=builders.user(email="bob@example.org"))
    budget(project)
    running(project, 1, 6)
    budget_alerts.watch()
    budget_alerts.watch()
    [message] = mail.outbox
    assert message.to == ["ada@example.org"]
    assert "50 % of the budget of project vision are spent or committed" in message.body


class Receiver:
    """Takes what is posted to it, and answers as it is told."""

    def __init__(self):
        self.got: list[tuple[str, str, bytes]] = []
        self.status = 204
        self.headers: dict[str, str] = {}
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((self.path, self.headers[webhooks.SIGNATURE], body))
                self.send_response(receiver.status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?to=ops"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def receiver():
    one = Receiver()
    yield one
    one.server.shutdown()
    one.server.server_close()


def told(project, url):
    known = budget(project)
    BudgetWebhook.objects.create(budget=known, url=url, secret=SECRET)
    running(project, 1, 6)
    budget_alerts.watch()
    return BudgetDelivery.objects.get()


def test_a_webhook_gets_the_figures_signed(project, receiver, settings):
    settings.WEBHOOK_HOSTS = ["127.0.0.1"]
    delivery = told(project, receiver.url)
    [(path, signed, body)] = receiver.got
    moment, digest = (part.split("=", 1)[1] for part in signed.split(","))
    assert digest == hmac.new(SECRET.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    assert path == "/hook?to=ops"
    known = json.loads(body)
    assert (known["project"], known["kind"], known["unit"], known["amount"]) == (
        "vision",
        "50",
        "gpu_hours",
        "10.000000",
    )
    assert (delivery.delivered_at is not None, delivery.next_try_at, delivery.error) == (True, None, "")


@pytest.mark.parametrize(("status", "headers"), [(500, {}), (302, {"Location": "http://127.0.0.1:1/"})])
def test_what_fails_is_tried_again_later_and_later_and_then_given_up(project, receiver, settings, status, headers):
    settings.WEBHOOK_HOSTS = ["127.0.0.1"]
    receiver.status, receiver.headers = status, headers
    delivery, delays = told(project, receiver.url), []
    while delivery.next_try_at is not None:
        delays.append(round((delivery.next_try_at - timezone.now()).total_seconds() / 60))
        assert alerts.deliver() == 0
        BudgetDelivery.objects.update(next_try_at=timezone.now())
        alerts.deliver()
        delivery.refresh_from_db()
    assert delays == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert (delivery.error, len(receiver.got)) == (f"It answered {status}.", alerts.MOST_TRIES)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "10.1.2.3", "169.254.169.254", "[::1]", "0.0.0.0", "224.0.0.1"]
)
def test_nobody_is_sent_to_a_private_machine(host):
    with pytest.raises(UnavailableError, match="is not a public machine"):
        webhooks.post(f"https://{host}/", SECRET, b"{}", 1)


def test_the_secret_is_written_and_never_shown(project, settings):
    client = client_of(builders.user(staff=True))
    body = {
        "unit": "gpu_hours",
        "amount": "10",
        "period": "day",
        "webhook_url": "https://example.org/x",
        "webhook_secret": SECRET,
    }
    made = client.post(f"{V1}/projects/vision/budgets", body)
    assert made.json()["webhook_host"] == "example.org"
    address = f"{V1}/budgets/{made.json()['id']}"
    assert SECRET not in made.content.decode() + client.get(address).content.decode()
    assert BudgetWebhook.objects.get().secret == SECRET
    assert client.patch(address, {"webhook_url": ""}).json()["webhook_host"] == ""


@pytest.mark.parametrize(
    ("url", "secret", "field"),
    [
        ("http://example.org", SECRET, "webhook_url"), ("ftp://example.org", SECRET, "webhook_url"),
        ("https://", SECRET, "webhook_url"), ("https://user:pw@example.org", SECRET, "webhook_url"),
        ("https://example.org:99999", SECRET, "webhook_url"), ("https://ex ample.org", SECRET, "webhook_url"),
        ("https://example.org", "short", "webhook_secret"), ("https://example.org", "", "webhook_secret"),
    ],
)  # fmt: skip
def test_a_webhook_that_cannot_be_is_refused_by_its_field(project, url, secret, field):
    client = client_of(builders.user(staff=True))
    body = {"unit": "gpu_hours", "amount": "10", "period": "day", "webhook_url": url, "webhook_secret": secret}
    assert field in faults(client.post(f"{V1}/projects/vision/budgets", body))
    assert not Budget.objects.exists()


def test_prometheus_reads_the_figures(project):
    known = budget(project)
    running(project, 1, 6)
    text = exposition().decode()
    assert f'trainyard_budget_committed{{budget="{known.pk}",project="vision",unit="gpu_hours"}} ' in text
    assert f'trainyard_budget_amount{{budget="{known.pk}",project="vision",unit="gpu_hours"}} 10.0' in text
