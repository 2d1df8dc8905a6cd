"""Made-up applications whose traffic looks real, and their bad days.

`traffic` makes spans and log records; `live` sends them with the OpenTelemetry SDK, `history`
counts them on a clock of its own and writes what a Prometheus would have scraped.
"""
