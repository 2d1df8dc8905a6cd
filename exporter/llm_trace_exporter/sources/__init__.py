"""Sources: what the exporter fetches itself, handed to the consumer like what is sent to it."""
