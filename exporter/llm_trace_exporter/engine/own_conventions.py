"""Configured conventions as the dialects that they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace

from ..config.convention_settings import ConventionSettings, TimeUnit, UsageSettings
from ..dialects import KINDS_BY_NAME, AttributeKey, Dialect, attribute_key

USAGE_FACTS = tuple(usage.name for usage in fields(UsageSettings) if usage.name != "cache")
"""Facts that `UsageSettings` has under the same names."""
_SECONDS: Mapping[TimeUnit, float] = {"s": 1.0, "ms": 0.001}


def own_convention(convention: ConventionSettings) -> Dialect:
    """The dialect that a configured convention describes."""
    first_token = convention.time_to_first_token
    scale = _SECONDS[first_token.unit] if first_token else 1.0
    facts: dict[str, Iterable[AttributeKey]] = {
        "request_model": _keys(convention.model.request),
        "response_model": _keys(convention.model.response),
        "provider": _keys(convention.provider.keys),
        **{fact: _keys(getattr(convention.usage, fact)) for fact in USAGE_FACTS},
        "cost": _keys(convention.cost),
        "finish": _keys(convention.finish_reason),
        "response_id": _keys(convention.response_id),
        "streaming": _keys(convention.streaming),
        "ttft": (
            replace(key, scale=scale) for key in _keys(first_token.keys if first_token else ())
        ),
        "session": _keys(convention.session),
    }
    locations = {fact: tuple(keys) for fact, keys in facts.items()}
    return Dialect(
        name=convention.name,
        is_configured=True,
        scopes=convention.detect.scopes,
        detect_by=convention.detect.attributes,
        resources=convention.detect.resource_attributes,
        kind_keys=convention.kind.keys,
        kinds={
            value.lower(): KINDS_BY_NAME[name] for value, name in convention.kind.values.items()
        },
        fields={fact: keys for fact, keys in locations.items() if keys},
        provider=convention.provider.default,
        cache_inclusion=convention.usage.cache,
    )


def _keys(written: Iterable[str]) -> tuple[AttributeKey, ...]:
    return tuple(map(attribute_key, written))
