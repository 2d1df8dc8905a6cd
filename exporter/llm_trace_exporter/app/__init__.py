"""The running exporter: its lifecycle, its reloads."""
