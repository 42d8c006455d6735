"""Spans by OpenTelemetry's SDK, sent by OTLP over HTTP. Imported where traces are on, and nowhere else."""

import threading

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import NonRecordingSpan, SpanContext, Status, StatusCode, TraceFlags

from telemetry import traces
from telemetry.traces import Span

NANOSECONDS = 1_000_000_000
FLUSH_MILLISECONDS = 2_000


class GivenIds(RandomIdGenerator):
    """A span's own id was known before it was told."""

    def __init__(self) -> None:
        self.next = threading.local()

    def generate_span_id(self) -> int:
        return int(getattr(self.next, "span", None) or super().generate_span_id())

    def generate_trace_id(self) -> int:
        return int(getattr(self.next, "trace", None) or super().generate_trace_id())


class Recorder:
    def __init__(self, processor: SpanProcessor, *, service: str, version: str) -> None:
        self._ids = GivenIds()
        about = Resource.create({"service.namespace": "trainyard", "service.name": service, "service.version": version})
        self._provider = TracerProvider(resource=about, id_generator=self._ids)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("trainyard")

    def record(self, span: Span) -> None:
        _, trace_id, parent_id, _ = span.parent.split("-")
        self._ids.next.span, self._ids.next.trace = int(span.span_id, 16), int(trace_id, 16)
        context = None
        if int(parent_id, 16):  # else it is the first of its trace
            above = SpanContext(int(trace_id, 16), int(parent_id, 16), is_remote=True, trace_flags=TraceFlags(1))
            context = trace.set_span_in_context(NonRecordingSpan(above))
        attributes = {
            name: str(value) if not isinstance(value, int | float) else value for name, value in span.about.items()
        }
        one = self._tracer.start_span(
            span.name, context, attributes=attributes, start_time=int(span.start * NANOSECONDS)
        )
        if span.failed:
            one.set_status(Status(StatusCode.ERROR, span.failed))
        one.end(int(max(span.start, span.end) * NANOSECONDS))

    def flush(self) -> None:
        self._provider.force_flush(FLUSH_MILLISECONDS)


def begin(*, endpoint: str, service: str, version: str) -> None:
    """Send the spans of this process to a collector there, in batches, from a thread of its own."""
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    traces.use(Recorder(BatchSpanProcessor(exporter), service=service, version=version))
