"""Draws the dashboards from query results, for people to look at without a Grafana."""
