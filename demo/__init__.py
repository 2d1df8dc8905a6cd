"""Everything at once on one machine: `make demo`."""
