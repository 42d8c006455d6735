"""One trace from a request over the plan and the run to the end, through rows and processes; and nothing while it is off."""

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from executors.run import run_spans
from jobs.attempts import claims, completion
from jobs.messages import publishing
from jobs.models import Job, Placement
from jobs.planning.cycle import run_cycle
from jobs.state.outcome import PlacementOutcome, PlacementRef
from scheduling.lifecycle import EndReason
from telemetry import open_telemetry, traces
from tests import builders
from tests.rest import V1, client_of

ROOT = Path(__file__).resolve().parents[2]
TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
def told():
    exporter = InMemorySpanExporter()
    traces.use(open_telemetry.Recorder(SimpleSpanProcessor(exporter), service="test", version="1"))
    yield exporter
    traces.use(None)


@pytest.fixture
def way_of_a_job(monkeypatch, django_capture_on_commit_callbacks):
    """Sends a job all the way; what its agent knew of it."""
    monkeypatch.setattr(publishing, "_publish", lambda _: True)

    def go(**headers: str):
        client, node = client_of(builders.member(project=builders.project(slug="vision"))), builders.node(name="n1")
        with django_capture_on_commit_callbacks(execute=True):
            client.post(f"{V1}/jobs", {"project": "vision", "command": ["true"]}, headers=headers)
        with django_capture_on_commit_callbacks(execute=True):
            run_cycle()
        row = Placement.objects.select_related("attempt").get()
        [spec] = claims.claim([PlacementRef(row.pk, str(row.attempt.token))], node_id=node.pk)
        run_spans.claimed_since(spec, 0.0)
        ending = PlacementOutcome(spec.ref, EndReason.EXIT_CODE, exit_code=3)
        with django_capture_on_commit_callbacks(execute=True):
            completion.finish([ending])
        run_spans.ended(spec, ending, 0.0)
        return spec

    return go


@pytest.mark.django_db
def test_the_callers_trace_goes_all_the_way(told, way_of_a_job):
    spec = way_of_a_job(traceparent=f"00-{TRACE}-{CALLER}-01")
    spans = {span.name: span for span in told.get_finished_spans()}

    assert set(spans) == {"submit", "plan", "publish", "claim", "run", "end"}
    assert {f"{span.context.trace_id:032x}" for span in spans.values()} == {TRACE}
    assert f"{spans['submit'].parent.span_id:016x}" == CALLER
    assert spans["plan"].parent.span_id == spans["submit"].context.span_id
    below = {spans[name].parent.span_id for name in ("publish", "claim", "run", "end")}
    assert below == {spans["plan"].context.span_id}
    assert {span.attributes["trainyard.job"] for span in spans.values()} == {spec.job_id}
    assert spans["plan"].attributes["trainyard.node"] == "n1"
    assert spans["plan"].attributes["trainyard.queue"] == "cpu.normal.n1"
    assert (spans["run"].attributes["trainyard.exit_code"], spans["run"].status.description) == (3, "exit_code")
    # What the command finds: its own spans are below the run's, whoever tells of it.
    assert run_spans.environment(spec) == {"TRACEPARENT": f"00-{TRACE}-{spans['run'].context.span_id:016x}-01"}


@pytest.mark.django_db
@pytest.mark.parametrize("incoming", ["", "nonsense", f"00-{'0' * 32}-{CALLER}-01", f"00-{TRACE.upper()}-{CALLER}-01"])
def test_without_a_callers_trace_there_is_a_new_one(told, way_of_a_job, incoming):
    way_of_a_job(traceparent=incoming)
    spans = told.get_finished_spans()
    [first] = [span for span in spans if span.parent is None]
    assert first.name == "submit"
    assert {span.context.trace_id for span in spans} == {first.context.trace_id}


@pytest.mark.django_db
def test_while_traces_are_off_nothing_is_kept_or_told_to_commands(way_of_a_job):
    spec = way_of_a_job(traceparent=f"00-{TRACE}-{CALLER}-01")
    assert Job.objects.get().traceparent == ""
    assert run_spans.environment(spec) == {}


def test_while_they_are_off_nothing_of_the_sdk_is_imported():
    ours = (
        "telemetry.open_telemetry",
        "opentelemetry.exporter",
        "opentelemetry.sdk.trace.export",
    )  # redis looks for the rest
    program = f"import sys, django; django.setup(); print([name for name in {ours} if name in sys.modules])"
    known = {"DJANGO_SETTINGS_MODULE": "scheduler_site.settings", "PATH": "", "TRAINYARD_HOME": "/nowhere"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=known, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_spans_reach_a_collector():
    """A real one of HTTP, in this process: that the SDK's exporter has what it needs, and where it sends to."""
    got: list[tuple[str, str, int]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(
                (self.path, self.headers["Content-Type"], len(self.rfile.read(int(self.headers["Content-Length"]))))
            )
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        open_telemetry.begin(endpoint=f"http://127.0.0.1:{server.server_port}/", service="test", version="1")
        span, above = traces.begin()
        traces.told("submit", span, above, (1.0, 2.0), {"job": 7})
        traces.flush()
    finally:
        traces.use(None)
        server.shutdown()
        server.server_close()
    [(path, kind, size)] = got
    assert (path, kind) == ("/v1/traces", "application/x-protobuf")
    assert size > 0
