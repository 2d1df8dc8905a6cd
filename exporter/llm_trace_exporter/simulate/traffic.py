"""The stream of what all applications send, in the order in which it leaves them.

The same seed, profile, plan and start give the same records, whoever takes them. Each application
has its own source of chance, so an incident in one leaves the others as they are.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from math import inf
from random import Random

from ..otlp.records import RawLog, RawSpan, Resource, Scope
from .incidents import Incident, Plan, effects_of
from .pipelines import PIPELINES
from .quality import run_judges
from .scene import Place, Scene
from .senders import sent_as
from .world import Profile, Service, load

_LAG_S = 1.5
"""How long a record is on its way to the exporter, on the mean of a healthy day."""
_LONGEST_WAIT_S = 900.0
"""The load is looked at again at least this often."""
_METRICS_EVERY_S = 60.0
_SCOPES = {"rag": Scope("openinference.instrumentation.langchain", "0.1.50")}
_SCOPE = Scope("opentelemetry.instrumentation.genai", "0.9b0")


@dataclass(frozen=True, slots=True)
class Sent:
    """What one application sends at one moment."""

    at_s: float
    """Unix seconds."""
    place: Place
    spans: tuple[RawSpan, ...] = ()
    logs: tuple[RawLog, ...] = ()
    malformed: bool = False
    """A request that is no OTLP."""
    metrics: bool = False
    """A request of metrics, which SDKs send beside traces."""


class Traffic:
    """All applications together."""

    def __init__(
        self, profile: Profile, plan: Plan, *, seed: int, start_s: float, rate: float
    ) -> None:
        """Begin at a moment.

        Args:
            profile: Which applications.
            plan: What goes wrong.
            seed: Determines everything that is left to chance.
            start_s: Unix seconds.
            rate: Traces a second, on the mean of a week.
        """
        self._order = count()
        self._waiting: list[tuple[float, int, Sent]] = []
        self._streams: list[tuple[float, int, tuple[Sent, ...], Iterator[tuple[Sent, ...]]]] = []
        shares = dict(profile.environments)
        for place in _places(profile):
            chance = Random(f"{seed}/{place.service.name}/{place.environment}")  # noqa: S311
            mean = rate * shares[place.environment] * place.service.weight
            self._open(_traces(place, plan, chance, start_s, mean))
            self._open(_metrics(place, start_s))

    def until(self, end_s: float) -> Iterator[Sent]:
        """What is sent before a moment and was not given out yet, in order of time."""
        while True:
            due_s = self._waiting[0][0] if self._waiting else float("inf")
            if self._streams[0][0] < due_s:
                if self._streams[0][0] >= end_s:
                    return
                _, _, (now, *later), stream = heapq.heappop(self._streams)
                for sent in later:
                    heapq.heappush(self._waiting, (sent.at_s, next(self._order), sent))
                self._open(stream)
                yield now
            elif due_s < end_s:
                yield heapq.heappop(self._waiting)[2]
            else:
                return

    def _open(self, stream: Iterator[tuple[Sent, ...]]) -> None:
        following = next(stream)
        heapq.heappush(self._streams, (following[0].at_s, next(self._order), following, stream))


def _places(profile: Profile) -> Iterator[Place]:
    for service in profile.services:
        for environment, _ in profile.environments:
            attrs = {
                "service.name": service.name,
                "deployment.environment.name": environment,
                "team": service.team,
            }
            scope = _SCOPES.get(service.pipeline, _SCOPE)
            yield Place(service, environment, Resource(dict(attrs)), scope)


def _metrics(place: Place, start_s: float) -> Iterator[tuple[Sent, ...]]:
    at_s = start_s
    while True:
        at_s += _METRICS_EVERY_S
        yield (Sent(at_s, place, metrics=True),)


def _traces(
    place: Place, plan: Plan, chance: Random, start_s: float, mean: float
) -> Iterator[tuple[Sent, ...]]:
    """What each request to an application makes it send, now and later."""
    service = place.service
    for at_s in _arrivals(service, plan, chance, start_s, mean):
        active = plan.active(at_s)
        effects = effects_of(active, service.name)
        scene = _scene(place, active, chance)
        PIPELINES[service.pipeline](scene)
        lag_s = chance.uniform(0.2, 2 * _LAG_S) * effects.lag
        ended_s = at_s - lag_s
        scene.ends_at(int(ended_s * 1e9))
        spans = sent_as(scene.spans, effects, chance)
        sent = [Sent(at_s, place, spans, malformed=chance.random() < effects.malformed)]
        if chance.random() < effects.duplicates:
            sent.append(Sent(at_s + 1.0, place, spans))
        for later in scene.later:
            arrived_s = ended_s + later.after_s
            later.log.time_ns = int(arrived_s * 1e9)
            sent.append(Sent(arrived_s + lag_s, place, logs=(later.log,)))
        if scene.judged_after_s is not None:
            judging = _scene(place, active, chance)
            run_judges(judging)
            judged_s = ended_s + scene.judged_after_s
            judging.ends_at(int(judged_s * 1e9))
            judge_spans = sent_as(judging.spans, effects, chance)
            sent.append(Sent(judged_s + lag_s, place, judge_spans))
        yield tuple(sent)


def _arrivals(
    service: Service, plan: Plan, chance: Random, start_s: float, mean: float
) -> Iterator[float]:
    """When requests are over: a Poisson process whose rate follows the clock and the incidents."""
    at_s = start_s
    while True:
        effects = effects_of(plan.active(at_s), service.name)
        rate = mean * load(service.curve, at_s) * effects.traffic
        wait_s = chance.expovariate(rate) if rate else inf
        # Nothing is remembered between draws, so a long wait may be drawn anew from where it
        # leads: the load has changed by then.
        limit_s = min(_LONGEST_WAIT_S, plan.next_change(at_s) - at_s)
        if wait_s > limit_s:
            at_s += limit_s
            continue
        at_s += wait_s
        yield at_s


def _scene(place: Place, active: tuple[Incident, ...], chance: Random) -> Scene:
    service = place.service
    effects = effects_of(active, service.name)
    feature = chance.choice(service.features)
    if chance.random() < effects.flood:
        feature = f"feature-{chance.getrandbits(48):012x}"
    prompt = chance.choice(service.prompts)
    return Scene(
        place=place,
        random=chance,
        effects=effects,
        effects_of=lambda provider: effects_of(active, service.name, provider),
        trace_id=chance.randbytes(16),
        feature=feature,
        prompt=prompt,
        version=chance.choice(prompt.versions),
    )
