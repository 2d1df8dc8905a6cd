"""Everything that may happen to an exporter, in any order, and what holds all the while."""

from __future__ import annotations

import random
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from llm_trace_exporter.config.load import parse_config
from llm_trace_exporter.config.settings import Settings, StateSettings
from llm_trace_exporter.engine.engine import Engine
from tests.facts import Samples
from tests.ledger import Ledger, Scrapes, Told, over_limits
from tests.telling import CONFIG, LABELS, Door, Reporter, page

HOUR_S = 3_600.0
IDLE_S = 2 * HOUR_S
ROOMY = {"trace_age": "7d", "evaluation_target_age": "7d", "evaluation_wait": "20s"}
"""Limits that nothing here reaches: what is remembered decides what counts once."""
TIGHT = dict.fromkeys(("max_pending", "max_spans", "max_remembered", "max_subjects"), 100)
"""Limits that everything here reaches; what is sent again may then count again."""
CHOICES = st.fixed_dictionaries(
    {
        "labels": st.sets(st.sampled_from(LABELS), max_size=3),
        "renamed": st.booleans(),
        "model_cap": st.sampled_from((2, 5, 200)),
        "max_per_family": st.sampled_from((10, 40, 20_000)),
        "decision_wait": st.sampled_from(("0s", "5s", "30s")),
    }
)
SEEDS = st.integers(0, 2**32)


def configuration(choice: dict[str, Any], path: Path, *, tight: bool, expires: bool) -> Settings:
    """The configuration of a choice."""
    limits = ROOMY | (TIGHT if tight else {})
    config = {
        **CONFIG,
        "decision_wait": choice["decision_wait"],
        "dimensions": [
            {"label": f"{label}_name" if choice["renamed"] else label, "keys": [label]}
            for label in sorted(choice["labels"])
        ],
        "labels": {"caps": {"model": choice["model_cap"]}},
        "series": {
            "max_per_family": choice["max_per_family"],
            "idle_expiry": f"{IDLE_S:.0f}s" if expires else "0s",
        },
        "traces": {
            "idle_timeout": "5s",
            "rootless_idle_timeout": "5s",
            "max_open": 100 if tight else 10_000,
        },
        "limits": limits,
    }
    return replace(_parsed(yaml.safe_dump(config)), state=StateSettings(str(path)))


@cache
def _parsed(text: str) -> Settings:
    return parse_config(text, "config")


class Machine(RuleBasedStateMachine):
    """One state file through all that happens to it.

    Three kinds of lives, as what holds differs: with room for everything every sum is exact; with
    tight limits memories keep to them and nothing is lost; where series expire, a family that was
    not expired is exact as well.
    """

    steps = 0
    """Of all machines so far."""

    @initialize(
        seed=SEEDS, choice=CHOICES, kind=st.sampled_from(("roomy", "roomy", "tight", "old"))
    )
    def begin(self, seed: int, choice: dict[str, Any], kind: str) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="machine-")
        self.path = Path(self.folder.name) / "state.db"
        self.tight, self.expires = kind == "tight", kind == "old"
        self.clocks = [1_000.0, 1_790_000_000.0]
        self.chance = random.Random(seed)
        self.reporter = Reporter(seed)
        self.ledger = Ledger()
        self.scrapes = Scrapes()
        self.told: list[Told] = []
        self.expired = False
        self._idle_since = self.clocks[0]
        self._start(choice)

    def teardown(self) -> None:
        if not hasattr(self, "engine"):
            return
        try:
            self.check()
            self._crash()
            self._start(self.choice)
            self.check()
        finally:
            self.door.close()
            self.engine.close()
            self.folder.cleanup()

    def _start(self, choice: dict[str, Any]) -> None:
        self.choice = self.highest = choice
        self.engine = Engine(
            self._settings(choice),
            clock=lambda: self.clocks[0],
            wall_clock_ns=lambda: int(self.clocks[1] * 1e9),
        )
        self.door = Door(self.engine)
        self.look(relabelled=True)

    def _crash(self) -> None:
        self.look()
        self.door.close()
        assert self.engine.state is not None
        self.engine.state.close()

    def _settings(self, choice: dict[str, Any]) -> Settings:
        return configuration(choice, self.path, tight=self.tight, expires=self.expires)

    def _deliver(self, told: Told) -> None:
        assert self.door.send(told)
        self.ledger.acknowledged(told)
        self.told.append(told)

    def _pass(self, seconds: float) -> None:
        self.clocks = [clock + seconds for clock in self.clocks]
        self.engine.ingester.settle()
        self.engine.store.expire()

    @rule()
    def call(self) -> None:
        """New calls, runs, verdicts, ratings, or the other half of what was told before."""
        self._deliver(self.reporter.calls(40) if self.tight else self.reporter.next())

    @rule(apart=st.booleans())
    def wrapped_call(self, apart: bool) -> None:
        """A wrapper and the call within, some time between or none."""
        halves = list(self.reporter.nested())
        self.chance.shuffle(halves)
        self._deliver(halves[0])
        if apart:
            self._pass(40)
        self._deliver(halves[1])

    @precondition(lambda self: self.told)
    @rule(place=st.integers(0, 10_000))
    def again(self, place: int) -> None:
        """What was acknowledged is sent again."""
        self._deliver(self.told[place % len(self.told)])

    @rule(seconds=st.floats(0, 60))
    def wait(self, seconds: float) -> None:
        """Time goes by."""
        self._pass(seconds)

    @rule(minutes=st.integers(-10, 10))
    def clock_is_set(self, minutes: int) -> None:
        """The wall clock is corrected."""
        self.clocks[1] += 60 * minutes

    @precondition(lambda self: self.expires)
    @rule()
    def idle(self) -> None:
        """Nothing comes for so long that series expire."""
        self._settle()
        self.look()
        self._pass(IDLE_S + 120)
        self._pass(IDLE_S / 9)
        # Series that are gone take what they counted with them.
        self.ledger, self.scrapes, self.expired = Ledger(), Scrapes(), True

    @rule()
    def checkpoint(self) -> None:
        """What changed is saved."""
        assert self.engine.checkpointer is not None
        self.engine.checkpointer.checkpoint()

    @rule(choice=CHOICES)
    def reload(self, choice: dict[str, Any]) -> None:
        """Another configuration is taken."""
        self.look()
        self.choice = choice
        self.engine.apply(self._settings(choice))
        self.highest = {}
        self.look(relabelled=True)

    @rule(choice=st.none() | CHOICES, host=st.sampled_from((0.0, 5.0, 9e7)))
    def restart(self, choice: dict[str, Any] | None, host: float) -> None:
        """It ends in order, and starts on a host with another uptime."""
        self.look()
        self.door.close()
        self.engine.close()
        self._elsewhere(host)
        self._start(choice or self.choice)

    @rule(choice=st.none() | CHOICES, host=st.sampled_from((0.0, 5.0, 9e7)))
    def crash(self, choice: dict[str, Any] | None, host: float) -> None:
        """It ends without a word, and starts on a host with another uptime."""
        self._crash()
        self._elsewhere(host)
        self._start(choice or self.choice)

    def _elsewhere(self, monotonic_s: float) -> None:
        self.clocks[0] = monotonic_s or self.clocks[0] + 1
        self.clocks[1] += 1

    @rule()
    def scrape(self) -> None:
        """Prometheus comes by."""
        self.look()

    @invariant()
    def counts_steps(self) -> None:
        """And the memories keep to their limits, whatever comes."""
        Machine.steps += 1
        if not hasattr(self, "engine"):
            return
        if self.tight:
            at = self.memories()
            assert all(held <= limit for held, limit in at.values()), at

    def memories(self) -> dict[str, tuple[float, float]]:
        """(held, limit) of each."""
        self.engine.ingester.refresh_gauges()
        held, limit = (
            {k: s.value for k, s in self.engine.store.gauges(f"llm_exporter_{n}").series.items()}
            for n in ("trace_table_entries", "trace_table_entries_limit")
        )
        return {key[0]: (held[key], limit[key]) for key in held}

    def look(self, *, relabelled: bool = False) -> Samples:
        """A scrape: it can be read, nothing fell, nothing is past its limit."""
        at = page(self.engine)
        fallen = self.scrapes.look(at, relabelled=relabelled or self.expires)
        if self.tight:
            # Which of equally old traces are forgotten for want of room is not the same when the
            # journal is applied again, so fewer of what comes again may be known as that.
            fallen = [told for told in fallen if "discarded" not in told]
        assert not fallen, fallen
        if self.highest:
            caps = {"model": self.choice["model_cap"]}
            assert over_limits(at, caps, self.choice["max_per_family"]) == []
        return at

    def _settle(self) -> Samples:
        for _ in range(3):
            self._pass(120)
        return self.look()

    def check(self) -> None:
        """What was acknowledged is counted, once; the whole page can be read."""
        assert len(Samples(self.engine.exposition.render().body.decode()).by_name) > 20
        at = self._settle()
        if self.expired:
            return
        if not self.tight:
            assert self.ledger.differences(at) == []
            return
        # Counted once at least, and never more often than it was sent.
        calls = sum(fact.kind == "call" for told in self.told for fact in told.facts)
        assert self.ledger.calls <= at.total("llm_requests_total") <= calls


def run(examples: int, steps: int) -> settings:
    """How far to go: the same way each time."""
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=True,
        database=None,
        print_blob=False,
        # A life takes a second: making a failing one shorter would take minutes of them.
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
