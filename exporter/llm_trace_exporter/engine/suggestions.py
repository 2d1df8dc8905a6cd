"""A convention to start from, for spans that nobody understands, by names of attributes alone."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ..config.convention_settings import (
    ConventionSettings,
    DetectSettings,
    KindSettings,
    ModelSettings,
    ProviderSettings,
    UsageSettings,
)
from ..config.identifying import identifies
from ..dialects import DIALECTS
from .own_conventions import USAGE_FACTS
from .readings import TELLING, Unread

_MAX_SCOPE_CHARS = 256
_MAX_NAME_CHARS = 60
_MAX_KEYS = 100


def suggested(found: Iterable[Unread], taken: Iterable[str]) -> tuple[ConventionSettings, ...]:
    """A convention for each scope; each loads as it is, and reads these spans.

    Args:
        found: What is not understood.
        taken: Names of configured conventions.
    """
    names = {*taken, *(dialect.name for dialect in DIALECTS)}
    made: list[ConventionSettings] = []
    for unread in found:
        name = _name(unread.scope, names)
        names.add(name)
        made.append(_convention(name, unread))
    return tuple(made)


def _convention(name: str, unread: Unread) -> ConventionSettings:
    usable = {fact: _usable(keys) for fact, keys in unread.facts.items()}
    telling = [key for fact, keys in unread.facts.items() if fact in TELLING for key in keys]
    usage: dict[str, Any] = {fact: usable.get(fact, ()) for fact in USAGE_FACTS}
    has_scope = 0 < len(unread.scope) <= _MAX_SCOPE_CHARS
    return ConventionSettings(
        name=name,
        detect=DetectSettings(
            scopes=(unread.scope,) if has_scope else (),
            attributes=() if has_scope else tuple(telling[:1]),
        ),
        kind=KindSettings(keys=_usable(unread.kinds)),
        model=ModelSettings(usable.get("request_model", ()), usable.get("response_model", ())),
        provider=ProviderSettings(keys=usable.get("provider", ())),
        usage=UsageSettings(**usage),
        finish_reason=usable.get("finish", ()),
        response_id=usable.get("response_id", ()),
    )


def _usable(keys: Iterable[str]) -> tuple[str, ...]:
    return tuple(key for key in keys if not identifies(key))[:_MAX_KEYS]


def _name(scope: str, taken: set[str]) -> str:
    words = re.sub(r"[^a-z0-9]+", "_", scope.lower()).strip("_")[:_MAX_NAME_CHARS]
    name = words if words[:1].isalpha() else f"own_{words}".rstrip("_")
    rest = (f"{name}_{number}" for number in range(2, len(taken) + 3))
    return next(candidate for candidate in (name, *rest) if candidate not in taken)
