"""Measurements of the exporter beside a straightforward one; `make bench` runs them."""
