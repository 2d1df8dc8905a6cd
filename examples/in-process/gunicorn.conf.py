"""Two workers, forked from a process that has loaded the application."""

from prometheus_client.multiprocess import mark_process_dead

bind = "127.0.0.1:8000"
worker_class = "asgi"
workers = 2
preload_app = True


def child_exit(_server, worker):
    """Leave gauges of a worker that has ended out of the sums; counters stay."""
    mark_process_dead(worker.pid)
