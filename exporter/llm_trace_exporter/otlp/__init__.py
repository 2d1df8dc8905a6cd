"""The wire: OTLP requests in, raw spans and log records out."""
