"""`llm-trace-exporter`, and `python -m llm_trace_exporter`."""

import signal
import sys


def main() -> int:
    """Run the command line; returns the exit code."""
    if sys.argv[1:2] == ["serve"]:
        # A reload or an end that is asked for from now on, while modules are loaded and state is
        # restored, waits for its turn: by default these signals kill.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP, signal.SIGTERM, signal.SIGINT})
    from .cli.main import main as run  # noqa: PLC0415

    return run()


if __name__ == "__main__":
    sys.exit(main())
