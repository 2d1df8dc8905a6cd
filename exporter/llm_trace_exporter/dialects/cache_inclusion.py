"""Whether an emitter's input counts contain the cached tokens told beside them.

Anthropic and AWS Bedrock answer with input that leaves cached tokens out, OpenAI and Google with
input that contains them. The conventions ask for the latter from everybody, but some
instrumentations pass on what the provider said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Inclusion = Literal["inclusive", "exclusive"]

APART = ("anthropic", "claude", "bedrock", "aws")
"""Words in the names of providers whose own input counts leave cached tokens out."""
GOOGLE = ("google", "gemini", "gcp", "vertex")
"""Words in the names of Google's, whose total counts thoughts and what tools put in."""


@dataclass(frozen=True, slots=True)
class PassedOn:
    """Scopes that hand on the provider's own counts."""

    scopes: tuple[str, ...]
    """Instrumentation scopes, each with those below it."""
    providers: tuple[str, ...]
    """Words of which the provider's or the model's name has one; empty: whoever answers."""
    unless: str = ""
    """An attribute that says otherwise."""


PASSED_ON: tuple[PassedOn, ...] = (
    # opentelemetry-instrumentation-botocore 0.66b2, OpenLLMetry's -bedrock 0.62.4, OTel's JS AWS
    # SDK 0.7x and genai-bedrock 1.3b0: the Converse API's `inputTokens` as it came.
    PassedOn(
        (
            "opentelemetry.instrumentation.botocore",
            "opentelemetry.instrumentation.bedrock",
            "opentelemetry.instrumentation.genai.bedrock",
            "opentelemetry.instrumentation.genai_bedrock",
            "@opentelemetry/instrumentation-aws-sdk",
        ),
        (),
    ),
    # Spring AI 2.0.1 observes every provider under the application's scope.
    PassedOn(("org.springframework",), APART),
    # AI SDK 5; since version 6 the counts come with their details and contain them.
    PassedOn(("ai",), APART, unless="ai.usage.inputTokenDetails.cacheReadTokens"),
)


def configured(
    by_scope: Mapping[str, Inclusion | Mapping[str, Inclusion]], scope: str, names: str
) -> Inclusion | None:
    """What the configuration says of a scope, for one provider of it or for all.

    Args:
        by_scope: Scope -> inclusion, or provider -> inclusion.
        scope: The record's.
        names: Its provider and model, lower case.
    """
    found = by_scope.get(scope)
    if found is None or isinstance(found, str):
        return found
    return next((value for provider, value in found.items() if provider.lower() in names), None)


@lru_cache(maxsize=1_024)
def passes_on(scope: str) -> bool:
    """Whether a scope hands on some provider's own counts."""
    return any(_covers(known, scope) for known in PASSED_ON)


def _covers(known: PassedOn, scope: str) -> bool:
    return any(scope == name or scope.startswith(f"{name}.") for name in known.scopes)


def is_passed_on(scope: str, names: str, attributes: Mapping[str, object]) -> bool:
    """Whether the emitter is known to hand on counts that leave cached tokens out."""
    for known in PASSED_ON:
        if _covers(known, scope):
            if known.unless and known.unless in attributes:
                return False
            return not known.providers or any(word in names for word in known.providers)
    return False


def is_left_out_by(names: str) -> bool:
    """Whether the provider's own counts leave cached tokens out."""
    return any(word in names for word in APART)


_ANYBODYS = frozenset(("semconv", "openllmetry", "open"))
"""Conventions that many emitters write, so that they prove nothing of one of them."""
_CONFORMING = ("opentelemetry.instrumentation", "@opentelemetry", "@traceloop", "traceloop")
"""Scopes of the conventions' own instrumentations, which do as these ask but for PASSED_ON."""


@lru_cache(maxsize=1_024)
def is_anybodys(dialect: str, scope: str) -> bool:
    """Whether the convention proves nothing of the emitter, because anybody may write it."""
    return dialect in _ANYBODYS and not (scope.startswith(_CONFORMING) and not passes_on(scope))
