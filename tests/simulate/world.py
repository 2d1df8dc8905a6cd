"""A simulated while, counted by the real engine."""

from __future__ import annotations

from llm_trace_exporter.config import Settings
from llm_trace_exporter.engine.engine import Engine
from llm_trace_exporter.simulate.history import VirtualClock, feed
from llm_trace_exporter.simulate.incidents import Plan, parse_incident
from llm_trace_exporter.simulate.traffic import Traffic
from llm_trace_exporter.simulate.world import PROFILES
from tests.facts import Samples

START_S = 1_790_000_000.0
"""A Monday afternoon."""


def traffic(
    seconds: float, *incidents: str, seed: int = 1, rate: float = 0.3, profile: str = "full"
) -> Traffic:
    """Traffic with incidents that last throughout, or as they say."""
    end_s = START_S + seconds
    plan = Plan([parse_incident(written, START_S, end_s) for written in incidents])
    return Traffic(PROFILES[profile], plan, seed=seed, start_s=START_S, rate=rate)


def counted(source: Traffic, seconds: float, settings: Settings | None = None) -> Engine:
    """An engine that has counted all of it."""
    virtual = VirtualClock(START_S)
    engine = virtual.engine(settings or Settings(zero_hold_s=0.0))
    feed(engine, source, virtual, START_S + seconds)
    engine.ingester.settle_all()
    return engine


def samples(engine: Engine) -> Samples:
    """What it shows."""
    return Samples(engine.exposition.render().body.decode())
