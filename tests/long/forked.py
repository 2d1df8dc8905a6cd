"""An exporter's engine in a process of its own, forked in milliseconds and killed as easily."""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing.connection import Connection
from typing import Any

import yaml

from llm_trace_exporter.config.load import parse_config
from llm_trace_exporter.engine.engine import Engine
from tests.e2e.process import ROOT
from tests.facts import Samples
from tests.ledger import Told
from tests.telling import COUNTED, Door

Config = dict[str, Any]
DEADLINE_S = 60.0


class Forked:
    """An engine that runs until it is closed or killed; its clocks go as they are set."""

    def __init__(self, config: Config, monotonic_s: float, wall_s: float) -> None:
        """Start it.

        Raises: EOFError where it ends at once.
        """
        self._end, other = multiprocessing.Pipe()
        work = (other, yaml.safe_dump(config), monotonic_s, wall_s)
        self._process = _forks().Process(target=_serve, args=work, daemon=True)
        self._process.start()
        other.close()
        self._answer()

    def send(self, told: Told) -> bool:
        """Whether a request is acknowledged."""
        return bool(self._ask("send", told))

    def clocks(self, monotonic_s: float, wall_s: float) -> None:
        """Set its clocks, and do what the clockwork does."""
        self._ask("clocks", (monotonic_s, wall_s))

    def checkpoint(self) -> None:
        """Save what changed."""
        self._ask("checkpoint", None)

    def settle_all(self) -> None:
        """Count everything that waits."""
        self._ask("settle_all", None)

    def reload(self, config: Config) -> None:
        """Go on with another configuration."""
        self._ask("reload", yaml.safe_dump(config))

    def page(self) -> Samples:
        """What it shows."""
        return Samples(self._ask("page", None))

    def begin(self, what: str, with_: Any) -> None:
        """Have something done without waiting for it: to be killed meanwhile."""
        self._end.send((what, with_))

    def kill(self) -> None:
        """`kill -9`."""
        self._process.kill()
        self._process.join(DEADLINE_S)
        self._end.close()

    def close(self) -> None:
        """An orderly end."""
        self._ask("close", None)
        self._process.join(DEADLINE_S)
        assert self._process.exitcode == 0
        self._end.close()

    def _ask(self, what: str, with_: Any) -> Any:
        self._end.send((what, with_))
        return self._answer()

    def _answer(self) -> Any:
        assert self._end.poll(DEADLINE_S), "no answer"
        return self._end.recv()


def _forks() -> Any:
    """Forks of a process that has but one thread, and everything imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pytest", __name__])
    # The fork server gets no search path but this.
    os.environ["PYTHONPATH"] = f"{ROOT}:{ROOT / 'exporter'}"
    return context


def _serve(end: Connection, config: str, monotonic_s: float, wall_s: float) -> None:
    clocks = [monotonic_s, wall_s]
    engine = Engine(
        parse_config(config, "config"),
        clock=lambda: clocks[0],
        wall_clock_ns=lambda: int(clocks[1] * 1e9),
    )
    door = Door(engine)
    end.send(None)
    while True:
        what, with_ = end.recv()
        answer: Any = None
        match what:
            case "send":
                answer = door.send(with_)
            case "clocks":
                clocks[:] = with_
                engine.ingester.settle()
                engine.store.expire()
            case "checkpoint":
                assert engine.checkpointer is not None
                engine.checkpointer.checkpoint()
            case "settle_all":
                engine.ingester.settle_all()
            case "reload":
                engine.apply(parse_config(with_, "config"))
            case "page":
                answer = engine.exposition.render("", COUNTED).body.decode()
            case "close":
                door.close()
                engine.close()
            case _:
                raise ValueError(what)
        end.send(answer)
        if what == "close":
            return
