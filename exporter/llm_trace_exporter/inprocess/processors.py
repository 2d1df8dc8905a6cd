"""What an application adds to its tracer provider, and to its logger provider."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from opentelemetry.sdk._logs import LogRecordProcessor, ReadWriteLogRecord
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from prometheus_client import REGISTRY, CollectorRegistry

from ..config import Settings, load_config
from .collector import EngineCollector
from .counting import Counting

_logger = logging.getLogger(__name__)

MAX_QUEUE = 8_192
UNUSED = ("sources", "judge", "content_rules", "state")
"""Settings whose work an application does not do."""
END_S = 30.0
"""How long an application waits for its last counts when it ends."""


class LLMMetricsSpanProcessor(SpanProcessor):
    """Counts the LLM calls of this process, as the exporter would of the same spans sent to it.

    `provider.add_span_processor(LLMMetricsSpanProcessor())` is all that it takes: the families are
    on the page that prometheus_client renders of its default registry.
    """

    def __init__(
        self,
        config: str | Path | Settings | None = None,
        *,
        registry: CollectorRegistry | None = REGISTRY,
        max_queue: int = MAX_QUEUE,
        **settings: Any,
    ) -> None:
        """Show what will be counted in a registry.

        Args:
            config: A configuration file of the exporter, or its settings; None: the defaults.
                What listens, asks or keeps (`web`, `otlp`, `sources`, `judge`, `content_rules`,
                `state`) is not used in an application.
            registry: Where the families are shown; None: nowhere but in multiprocess mode.
            max_queue: Spans and log records that may wait to be counted.
            **settings: Single fields of `config.Settings`, in place of what `config` says.

        Raises: ConfigError where the configuration cannot be used; TypeError where a setting is
            unknown; ValueError where the registry has these families already.
        """
        told = (
            config
            if isinstance(config, Settings)
            else load_config(Path(config) if config else None)
        )
        wanted = replace(told, **settings)
        for name in UNUSED:
            if getattr(wanted, name) != getattr(Settings(), name):
                _logger.warning("%s: not used in an application", name)
        self.counting = counting = Counting(wanted, max_queue)
        if registry is not None:
            registry.register(EngineCollector(lambda: counting.engine, counting.refresh))

    def on_end(self, span: ReadableSpan) -> None:
        """Let a span wait to be counted."""
        try:
            context = span.context
            if context is None or context.trace_flags.sampled:
                self.counting.put(span)
        except Exception:  # noqa: BLE001 - an application goes on, whatever happens here
            _logger.debug("a span is not counted")

    def shutdown(self) -> None:
        """Count what waits, and take nothing more."""
        self.counting.end(END_S)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Count what waits now, also for spans that are still to come.

        Returns: False where there was no time.
        """
        return self.counting.flush(timeout_millis / 1_000)


class LLMMetricsLogProcessor(LogRecordProcessor):
    """Counts log records and events beside the spans: results of judges, and what agents log."""

    def __init__(self, spans: LLMMetricsSpanProcessor) -> None:
        """Count together with a span processor."""
        self._counting = spans.counting

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Let a record wait to be counted."""
        try:
            self._counting.put(log_record)
        except Exception:  # noqa: BLE001 - as above
            _logger.debug("a log record is not counted")

    def shutdown(self) -> None:
        """Count what waits; the span processor ends it."""
        self._counting.flush(END_S)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Count what waits now.

        Returns: False where there was no time.
        """
        return self._counting.flush(timeout_millis / 1_000)
