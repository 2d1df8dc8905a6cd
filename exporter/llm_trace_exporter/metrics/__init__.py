"""Metrics: the families, their labels and series, and how they are rendered."""
