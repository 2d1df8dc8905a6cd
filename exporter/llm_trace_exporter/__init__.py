"""LLM Trace Exporter: LLM traces in, true Prometheus metrics out."""

__version__ = "0.1.0"
