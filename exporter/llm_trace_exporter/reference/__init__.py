"""Reference pages: the configuration and the metrics, written from what they are made of."""
