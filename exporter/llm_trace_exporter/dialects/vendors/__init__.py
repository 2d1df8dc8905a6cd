"""One table for each convention that somebody writes."""
