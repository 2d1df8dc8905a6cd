"""From the configuration to what each room takes: no room knows the settings of another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from .config import Settings
from .dialects import LABELS, Context, JudgeRules, Judging, dimension, label_key
from .metrics.labels import Dimension
from .metrics.store import StoreOptions
from .model import VerdictValue
from .pipeline import Limits, TraceLimits
from .pricing import LOCAL_PROVIDERS, Contract, PricingPolicy

MEMORY = ":memory:"
"""The state path that keeps nothing."""

_NO_LIMIT = 10_000_000


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
        dimensions=tuple(dimension(d.label, d.keys) for d in settings.dimensions),
        disabled=frozenset(name for name, d in settings.dialects.items() if not d.enabled),
        cache_inclusion=settings.cache_inclusion,
        sampling=settings.sampling.ratio_by_service,
        count_details_logs=services,
        judging=judging(settings),
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
            )
            for name, j in judges.by_name.items()
        },
        by_dialect={
            name: JudgeRules(j.kind, j.pass_threshold, j.higher_is_better)
            for name, j in judges.by_dialect.items()
        },
    )


def humans(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Judge -> further names under which people judge the same."""
    return {
        name.lower(): tuple(human.lower() for human in judge.humans)
        for name, judge in settings.judges.by_name.items()
        if judge.humans
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
                valid_from=c.valid_from,
                valid_until=c.valid_until,
                usd_per_million_tokens=c.usd_per_million_tokens,
                usd_per_request=c.usd_per_request,
            )
            for c in pricing.contracts
        ),
        local_providers=LOCAL_PROVIDERS | frozenset(pricing.local_providers),
        reported_cost={
            name: d.reported_cost for name, d in settings.dialects.items() if d.reported_cost
        },
    )


def limits(settings: Settings) -> Limits:
    """What the configuration says about waiting and remembering."""
    given = settings.limits
    return Limits(
        settle_s=settings.settle_s,
        max_pending=given.max_pending,
        max_spans=given.max_spans,
        max_age_s=given.trace_age_s,
        max_remembered=given.max_remembered,
        max_subjects=given.max_subjects,
        subject_age_s=given.subject_age_s,
        patience_s=given.patience_s,
    )


def trace_limits(settings: Settings) -> TraceLimits:
    """What the configuration says about whole traces."""
    given, settle_s = settings.traces, settings.settle_s
    return TraceLimits(
        # A trace is the sum of its settled calls: it is not complete before they are.
        quiet_s=max(given.quiet_s, settle_s),
        rootless_quiet_s=max(given.rootless_quiet_s, settle_s),
        max_age_s=given.max_age_s,
        max_open=given.max_open,
    )


def uncapped(settings: Settings) -> Settings:
    """The same, in memory and with limits on labels and series that do not bind."""
    return replace(
        settings,
        state=replace(settings.state, path=MEMORY),
        labels=replace(settings.labels, caps={}, default_cap=_NO_LIMIT),
        dimensions=tuple(replace(d, cap=_NO_LIMIT) for d in settings.dimensions),
        series=replace(settings.series, max_per_family=_NO_LIMIT),
    )
