"""Configured conventions as the dialects that they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace

from ..config.convention_settings import ConventionSettings, TimeUnit, UsageSettings
from ..dialects import KINDS_BY_NAME, AttributeKey, Dialect, attribute_key

USAGE_FACTS = tuple(told.name for told in fields(UsageSettings) if told.name != "cache")
"""Facts that `UsageSettings` has under the same names."""
_SECONDS: Mapping[TimeUnit, float] = {"s": 1.0, "ms": 0.001}


def own_convention(told: ConventionSettings) -> Dialect:
    """The dialect that a configured convention describes."""
    first_token = told.time_to_first_token
    scale = _SECONDS[first_token.unit] if first_token else 1.0
    facts: dict[str, Iterable[AttributeKey]] = {
        "request_model": _keys(told.model.request),
        "response_model": _keys(told.model.response),
        "provider": _keys(told.provider.keys),
        **{fact: _keys(getattr(told.usage, fact)) for fact in USAGE_FACTS},
        "cost": _keys(told.cost),
        "finish": _keys(told.finish_reason),
        "response_id": _keys(told.response_id),
        "streaming": _keys(told.streaming),
        "ttft": (
            replace(key, scale=scale) for key in _keys(first_token.keys if first_token else ())
        ),
        "session": _keys(told.session),
    }
    told_at = {fact: tuple(keys) for fact, keys in facts.items()}
    return Dialect(
        name=told.name,
        is_configured=True,
        scopes=told.detect.scopes,
        detect_by=told.detect.attributes,
        resources=told.detect.resource_attributes,
        kind_keys=told.kind.keys,
        kinds={value.lower(): KINDS_BY_NAME[name] for value, name in told.kind.values.items()},
        fields={fact: keys for fact, keys in told_at.items() if keys},
        provider=told.provider.default,
        cache_inclusion=told.usage.cache,
    )


def _keys(written: Iterable[str]) -> tuple[AttributeKey, ...]:
    return tuple(map(attribute_key, written))
