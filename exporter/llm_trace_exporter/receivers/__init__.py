"""Receivers: OTLP over HTTP and gRPC, and scores over HTTP, up to the engine."""
