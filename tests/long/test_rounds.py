"""Hundreds of ends, most of them by `kill -9`, on one state file: every sum stays what it must be.

Each start has another configuration (labels taken away, renamed, added; caps and limits lowered
and raised) and another host's clocks. Requests are sent again, before an end and after it, and the
halves of a call come before and after it.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.facts import Samples
from tests.ledger import Ledger, Scrapes, Told, over_limits
from tests.long.budget import rounds
from tests.long.forked import Config, Forked
from tests.telling import CONFIG, LABELS, Reporter

pytestmark = pytest.mark.long

SEEDS = (1, 2, 3, 4)
ROUNDS = rounds(50)
"""Of each seed: 200 together."""
STEPS = 18
MINUTES_S = 300.0
LATER_S = 86_400.0


def configured(chance: random.Random, path: Path) -> Config:
    """A configuration that differs in what series are made of, and how many there may be."""
    dimensions = [
        # Renamed: the same attribute under another label.
        {
            "label": chance.choice((label, f"{label}_name")),
            "keys": [label],
            "cap": chance.choice((2, 100)),
        }
        for label in chance.sample(LABELS, chance.randrange(4))
    ]
    return {
        **CONFIG,
        "decision_wait": chance.choice(("2s", "10s")),
        "state": {"path": str(path)},
        "dimensions": dimensions,
        "labels": {"caps": {"model": chance.choice((3, 6, 200))}},
        "series": {"max_per_family": chance.choice((12, 60, 20_000)), "idle_expiry": "0s"},
        "traces": {"idle_timeout": "5s", "rootless_idle_timeout": "5s"},
        "limits": {"trace_age": "12h", "evaluation_wait": "20s"},
    }


class Host:
    """The machine it runs on: each has clocks of its own."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.monotonic_s = 1_000.0
        self.wall_s = 1_790_000_000.0

    def pass_(self, seconds: float) -> None:
        """Let time pass."""
        self.monotonic_s += seconds
        self.wall_s += seconds

    def move(self) -> None:
        """Go to another machine: up for seconds or for years; its clock is minutes off."""
        self.monotonic_s = self._chance.choice((5.0, 3e3, 4e5, 9e7)) + self._chance.random()
        self.wall_s += self._chance.uniform(0, 60) + self._chance.uniform(-MINUTES_S, MINUTES_S)


class Life:
    """One state file through all its processes."""

    def __init__(self, seed: int, path: Path) -> None:
        self.chance = random.Random(seed)
        self.host = Host(self.chance)
        self.reporter = Reporter(seed)
        self.ledger = Ledger()
        self.scrapes = Scrapes()
        self.killed = 0
        self.again: list[Told] = []
        """Requests without an answer: to be sent again."""
        self._told: list[Told] = []
        self._path = path
        self._config = self._highest = configured(self.chance, path)
        self.engine = Forked(self._config, self.host.monotonic_s, self.host.wall_s)

    def deliver(self, told: Told) -> None:
        """Send a request until it is acknowledged."""
        assert self.engine.send(told)
        self.ledger.acknowledged(told)
        self._told.append(told)

    def step(self) -> None:
        """Whatever may happen while it runs."""
        chance, dice = self.chance, self.chance.random()
        if self.again:
            self.deliver(self.again.pop())
        elif dice < 0.60:
            self.deliver(self.reporter.next())
        elif dice < 0.72 and self._told:
            self.deliver(chance.choice(self._told[-200:]))
        elif dice < 0.84:
            self.host.pass_(chance.uniform(0, 20))
            self.engine.clocks(self.host.monotonic_s, self.host.wall_s)
        elif dice < 0.90:
            self.engine.checkpoint()
        elif dice < 0.94:
            self.look(relabelled=False)
            self._config = configured(chance, self._path)
            self.engine.reload(self._config)
            # What was admitted under the old limits stays.
            self._highest = _higher(self._highest, self._config)
            self.look(relabelled=True)
        else:
            self.look(relabelled=False)

    def end(self) -> None:
        """End it, in one way or another, in the middle of something or not."""
        self.look(relabelled=False)
        if self.chance.random() < 0.25:
            self.engine.close()
            return
        what = self.chance.choice(("send", "send", "checkpoint", "nothing"))
        if what == "send":
            told = self.reporter.next()
            self.engine.begin("send", told)
            self.ledger.unanswered(told)
            self.again.append(told)
        elif what == "checkpoint":
            self.engine.begin("checkpoint", None)
        time.sleep(self.chance.choice((0.0, 0.0005, 0.002)))
        self.engine.kill()
        self.killed += 1

    def start(self) -> None:
        """Start it elsewhere, with another configuration or with the same."""
        self.host.move()
        if self.chance.random() < 0.7:
            self._config = configured(self.chance, self._path)
        self._highest = self._config
        self.engine = Forked(self._config, self.host.monotonic_s, self.host.wall_s)
        self.look(relabelled=True)

    def look(self, *, relabelled: bool) -> Samples:
        """Scrape: nothing has fallen, nothing is past its limit."""
        at = self.engine.page()
        assert self.scrapes.look(at, relabelled=relabelled) == []
        caps = {d["label"]: d["cap"] for d in self._config["dimensions"]}
        if self._highest is self._config:
            caps["model"] = self._config["labels"]["caps"]["model"]
            assert over_limits(at, caps, self._config["series"]["max_per_family"]) == []
        return at

    def settled(self) -> Samples:
        """What is shown when nothing waits and every trace is complete."""
        for _ in range(3):
            self.host.pass_(60)
            self.engine.clocks(self.host.monotonic_s, self.host.wall_s)
        return self.look(relabelled=False)


def _higher(one: Config, other: Config) -> Config:
    return {**one, "was": other}


@pytest.mark.parametrize("seed", SEEDS)
def test_every_sum_is_right_after_every_end(seed: int, tmp_path: Path) -> None:
    life = Life(seed, tmp_path / "state.db")
    try:
        for number in range(ROUNDS):
            for _ in range(STEPS):
                life.step()
            if number % 5 == 4:
                # Between: else faults of two rounds could make up for each other.
                while life.again:
                    life.deliver(life.again.pop())
                assert life.ledger.differences(life.settled()) == [], f"round {number}"
            life.end()
            life.start()
        for told in (*life.again, *life.reporter.rest()):
            life.deliver(told)
        assert life.ledger.differences(life.settled()) == []
        life.engine.close()
        life.start()
        assert life.ledger.differences(life.settled()) == []
    finally:
        life.engine.kill()
    assert life.killed > ROUNDS / 2
    assert len(life.ledger) > 10 * ROUNDS
