"""From the configuration to what each room takes: no room knows the settings of another."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ..config import MEMORY, Settings
from ..config.judge_settings import RuleSettings
from ..content import ContentBufferLimits
from ..correlation import Limits, TraceLimits
from ..dialects import LABELS, Context, JudgeRules, Judging, ParserPool, dimension, label_key
from ..dialects import Dimension as ReadDimension
from ..judge.client import Endpoint
from ..judge.rules import EVERY_CALL, Rule, Sample, parse_matcher
from ..judge.runner import JudgeOptions
from ..metrics.label_policy import Dimension
from ..metrics.store import StoreOptions
from ..model import VerdictValue
from ..objectives import Budget, Target, effective
from ..otlp.native import EngineName, chosen
from ..pricing import LOCAL_PROVIDERS, Catalogue, Contract, Pricing, PricingPolicy
from .file_descriptors import limit, shares
from .own_conventions import own_convention

_NO_LIMIT = 10_000_000
_SETTLE_SLACK_S = 50.0


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """A configuration as the rooms of the engine take it.

    Whatever cannot be used is found while this is made, so that taking it cannot fail.
    """

    settings: Settings
    engine: EngineName
    store: StoreOptions
    readers: ParserPool
    pricing: Pricing
    limits: Limits
    trace_limits: TraceLimits
    human_names: Mapping[str, tuple[str, ...]]
    targets: tuple[Target, ...]
    budgets: tuple[Budget, ...]
    dimensions: tuple[str, ...]
    """Their labels."""
    score_ranges: Mapping[str, tuple[float, float]]
    """By judge."""
    score_ranges_of_dialects: Mapping[str, tuple[float, float]]
    baseline_failure_ratios: Mapping[str, float]
    """By judge."""


def engine_options(settings: Settings, catalogue: Catalogue | None = None) -> EngineOptions:
    """What the configuration says to the engine.

    Args:
        settings: The configuration.
        catalogue: List prices; None: those that are installed.

    Raises: ConfigError where something cannot be used.
    """
    by_name, by_dialect = settings.judges.by_name, settings.judges.by_dialect
    return EngineOptions(
        settings=settings,
        engine=reads_with(settings),
        store=store_options(settings),
        readers=ParserPool(context(settings)),
        pricing=Pricing(pricing_policy(settings), catalogue),
        limits=limits(settings),
        trace_limits=trace_limits(settings),
        human_names=human_names(settings),
        targets=targets(settings),
        budgets=budgets(settings),
        dimensions=tuple(d.label for d in settings.dimensions),
        score_ranges={n: j.score_range for n, j in by_name.items() if j.score_range},
        score_ranges_of_dialects={n: j.score_range for n, j in by_dialect.items() if j.score_range},
        baseline_failure_ratios={
            name: j.baseline_failure_ratio
            for name, j in by_name.items()
            if j.baseline_failure_ratio is not None
        },
    )


def reads_with(settings: Settings) -> EngineName:
    """Who reads requests.

    Raises: ConfigError where that is not installed.
    """
    return chosen(settings.engine)


def store_options(settings: Settings) -> StoreOptions:
    """What the configuration says about series."""
    buckets = settings.buckets
    return StoreOptions(
        dimensions=tuple(Dimension(d.label, d.cap) for d in settings.dimensions),
        caps=settings.labels.caps,
        default_cap=settings.labels.default_cap,
        buckets={name: getattr(buckets, name) for name in buckets.__slots__},
        max_series_per_family=settings.series.max_per_family,
        zero_hold_s=settings.zero_hold_s,
        idle_expiry_s=settings.series.idle_expiry_s,
        profiles=frozenset(settings.compat),
    )


def context(settings: Settings) -> Context:
    """What the configuration says about reading records."""
    logs = settings.logs
    services: frozenset[str] | None = frozenset()
    if logs.details == "count":
        services = frozenset(logs.details_services) or None
    return Context(
        dimensions=dimensions(settings),
        conventions=tuple(map(own_convention, settings.conventions)),
        disabled=frozenset(name for name, d in settings.dialects.items() if not d.enabled),
        cache_inclusion=settings.cache_inclusion,
        sampling=settings.sampling.ratio_by_service,
        count_details_logs=services,
        judging=judging(settings),
    )


def dimensions(settings: Settings) -> tuple[ReadDimension, ...]:
    """What the configuration says about labels of one's own, its conventions included."""
    features = tuple(key for convention in settings.conventions for key in convention.feature)
    return tuple(
        dimension(d.label, (*features, *d.keys) if d.label == "feature" else d.keys)
        for d in settings.dimensions
    )


def judging(settings: Settings) -> Judging:
    """What the configuration says about results of judges."""
    judges = settings.judges
    labels = judges.labels
    return Judging(
        labels={
            **LABELS,
            **_meaning("pass", labels.passed),
            **_meaning("fail", labels.failed),
            **_meaning("error", labels.errored),
        },
        by_name={
            label_key(name): JudgeRules(
                kind=j.kind,
                pass_threshold=j.pass_threshold,
                higher_is_better=j.higher_is_better,
                labels={**_meaning("pass", j.labels.passed), **_meaning("fail", j.labels.failed)},
                score_range=j.score_range,
            )
            for name, j in judges.by_name.items()
        },
        by_dialect={
            name: JudgeRules(
                j.kind, j.pass_threshold, j.higher_is_better, score_range=j.score_range
            )
            for name, j in judges.by_dialect.items()
        },
    )


def human_names(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Judge -> further names under which people judge the same."""
    return {
        name.lower(): tuple(human.lower() for human in judge.human_names)
        for name, judge in settings.judges.by_name.items()
        if judge.human_names
    }


def _meaning(verdict: VerdictValue, labels: Iterable[str]) -> dict[str, VerdictValue]:
    return {label_key(label): verdict for label in labels}


def pricing_policy(settings: Settings) -> PricingPolicy:
    """What the configuration says about prices."""
    pricing = settings.pricing
    return PricingPolicy(
        contracts=tuple(
            Contract(
                model=c.model,
                provider=c.provider,
                tier=c.tier,
                region=c.region,
                valid_from=c.valid_from,
                valid_until=c.valid_until,
                usd_per_million_tokens=c.usd_per_million_tokens,
                usd_per_request=c.usd_per_request,
                usd_per_web_search=c.usd_per_web_search,
            )
            for c in pricing.contracts
        ),
        local_providers=LOCAL_PROVIDERS | frozenset(pricing.local_providers),
        default_regions=pricing.default_regions,
        reported_cost={
            name: d.reported_cost for name, d in settings.dialects.items() if d.reported_cost
        },
    )


def limits(settings: Settings) -> Limits:
    """What the configuration says about waiting and remembering."""
    given = settings.limits
    return Limits(
        decision_wait_s=settings.decision_wait_s,
        max_pending=given.max_pending,
        max_spans=given.max_spans,
        max_age_s=given.trace_age_s,
        max_remembered=given.max_remembered,
        max_subjects=given.max_subjects,
        evaluation_target_age_s=given.evaluation_target_age_s,
        evaluation_wait_s=given.evaluation_wait_s,
        inherited=tuple(at for at, d in enumerate(settings.dimensions) if d.inherit),
        inherit_wait_s=settings.traces.inherit_wait_s,
        gateways=frozenset(settings.gateways),
    )


def trace_limits(settings: Settings) -> TraceLimits:
    """What the configuration says about whole traces."""
    given, decision_wait_s = settings.traces, settings.decision_wait_s
    return TraceLimits(
        # A trace is the sum of its settled calls: it is not complete before they are.
        idle_timeout_s=max(given.idle_timeout_s, decision_wait_s),
        rootless_idle_timeout_s=max(given.rootless_idle_timeout_s, decision_wait_s),
        max_age_s=given.max_age_s,
        max_open=given.max_open,
        max_remembered=settings.limits.max_remembered,
    )


def judge_options(settings: Settings) -> JudgeOptions | None:
    """What the configuration says about the built-in judge; None where it is off."""
    judge = settings.judge
    if not judge.endpoint.url or not judge.rules:
        return None
    endpoint = judge.endpoint
    return JudgeOptions(
        rules=tuple(map(judge_rule, judge.rules)),
        endpoint=Endpoint(
            url=endpoint.url,
            model=endpoint.model,
            provider=endpoint.provider,
            api_key_file=endpoint.api_key_file,
            api_key_header=endpoint.api_key_header,
            api_version=endpoint.api_version,
            headers=endpoint.headers,
            timeout_s=judge.timeout_s,
            max_attempts=judge.max_attempts,
            max_output_tokens=judge.max_output_tokens,
        ),
        dimensions=tuple(d.label for d in settings.dimensions),
        max_concurrent=judge.max_concurrent,
        max_queue=judge.max_queue,
        max_characters=judge.max_characters,
        circuit_failures=judge.circuit_failures,
        circuit_cooldown_s=judge.circuit_cooldown_s,
    )


def judge_rule(rule: RuleSettings) -> Rule:
    """One rule of the built-in judge."""
    samples = tuple(
        Sample(tuple(map(parse_matcher, s.where)), s.rate, s.per_minute) for s in rule.sample
    )
    return Rule(
        name=rule.name,
        question=rule.question,
        inputs=rule.inputs,
        passes_when=rule.passes_when,
        requires=rule.requires,
        where=tuple(map(parse_matcher, rule.where)),
        samples=samples or (EVERY_CALL,),
    )


def content_buffer_limits(settings: Settings) -> ContentBufferLimits:
    """How much text is held, and how long: a little longer than its call takes to settle."""
    texts = settings.content
    return ContentBufferLimits(
        texts.max_records, texts.max_bytes, settings.decision_wait_s + _SETTLE_SLACK_S
    )


def in_memory(settings: Settings) -> Settings:
    """The same, with nothing kept."""
    return replace(settings, state=replace(settings.state, path=MEMORY))


def targets(settings: Settings) -> tuple[Target, ...]:
    """What is aimed at, defaults included."""
    return effective(
        Target(slo.slo, slo.target, tuple(sorted(slo.match.items()))) for slo in settings.slos
    )


def budgets(settings: Settings) -> tuple[Budget, ...]:
    """What may be spent."""
    return tuple(
        Budget(b.name, b.limit_usd, b.period, b.timezone, tuple(sorted(b.match.items())))
        for b in settings.budgets
    )


def uncapped(settings: Settings) -> Settings:
    """The same, in memory and with limits on labels and series that do not bind."""
    return replace(
        in_memory(settings),
        labels=replace(settings.labels, caps={}, default_cap=_NO_LIMIT),
        dimensions=tuple(replace(d, cap=_NO_LIMIT) for d in settings.dimensions),
        series=replace(settings.series, max_per_family=_NO_LIMIT),
    )


def connection_limits(settings: Settings) -> dict[str, int]:
    """How many connections each listener may have, by its name in metrics."""
    otlp = settings.otlp
    wanted = {"web": settings.web.max_connections}
    if otlp.http.listen_address:
        wanted["otlp_http"] = otlp.http.max_connections
    if otlp.grpc.listen_address:
        wanted["otlp_grpc"] = otlp.grpc.max_connections
    granted = shares(wanted, limit())
    if granted != wanted:
        logging.getLogger(__name__).warning(
            "the process may open %d files only, so listeners take fewer connections: %s",
            limit(),
            ", ".join(f"{name} {granted[name]} instead of {n}" for name, n in wanted.items()),
        )
    return granted
