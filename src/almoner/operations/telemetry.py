"""Traces for OpenTelemetry, where an endpoint is configured; nothing of it is loaded where there is
none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

from almoner.data_api.serve import ApiAnswer, ApiRequest

Handler = Callable[[ApiRequest], Awaitable[ApiAnswer]]


def traced(handler: Handler, endpoint: str) -> Handler:
    """The handler, with a span around each request: its operation, status and id, and nothing that
    it says.
    """
    if not endpoint:
        return handler
    tracer = _tracer()

    async def spanned(request: ApiRequest) -> ApiAnswer:
        with tracer.start_as_current_span(
            "request", record_exception=False, set_status_on_exception=False
        ) as span:
            span.set_attribute("http.request.method", request.method)
            span.set_attribute("almoner.request_id", request.request_id)
            answer = await handler(request)
            span.update_name(answer.operation)
            span.set_attribute("http.response.status_code", answer.status)
            return answer

    return spanned


@cache
def _tracer() -> Any:
    """One for the process: each provider brings a thread and a connection of its own."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": "almoner"}))
    # The exporter reads the endpoint from the same variable as our settings do.
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider.get_tracer("almoner")
