"""Model names: from the many ways emitters write one model to its plainest form.

Pure text: nothing here knows a price. `spellings("us.anthropic.claude-sonnet-4-5-20250929-v1:0")`
gives the literal name first (the catalogue has prices for some of those) and `claude-sonnet-4-5`
last.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .providers import known_provider, words

MAX_LENGTH = 200
"""Longest name looked at; longer ones are cut."""

_MAX_PREFIXES = 6

_CONTROL = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ufeff]+")

_PLATFORMS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"^arn:aws[a-z-]*:sagemaker:[^/]*/(?P<name>.+)$", re.IGNORECASE),
        "sagemaker",
    ),
    (
        re.compile(r"^arn:aws[a-z-]*:[^/]*/(?P<name>[^/]+).*$", re.IGNORECASE),
        "aws.bedrock",
    ),
    (
        re.compile(r"^projects/.*/(?:models|endpoints)/(?P<name>[^/]+)$", re.IGNORECASE),
        "gcp.vertex_ai",
    ),
    (
        re.compile(r"^(?:.*/)?publishers/[^/]+/models/(?P<name>[^/]+)$", re.IGNORECASE),
        "gcp.vertex_ai",
    ),
    (
        re.compile(r"^(?:models|tunedmodels)/(?P<name>[^/]+)$", re.IGNORECASE),
        "gcp.gemini",
    ),
    (
        re.compile(r"^accounts/fireworks/(?:models|routers)/(?P<name>[^/]+)$", re.IGNORECASE),
        "fireworks_ai",
    ),
    (re.compile(r"^@cf/(?P<name>.+)$", re.IGNORECASE), "cloudflare"),
)
"""Resource names that say both the platform and the model."""

_MAKERS = words(
    "meta-llama meta mistralai qwen deepseek-ai google nvidia microsoft moonshotai zai-org z-ai "
    "minimaxai ibm-granite baai nousresearch tiiuae allenai 01-ai cognitivecomputations thudm "
    "openchat upstage databricks bigcode stabilityai togethercomputer unsloth amazon "
    "sentence-transformers intfloat mixedbread-ai bytedance bytedance-seed baidu tencent "
    "liquid inflection xiaomi stepfun"
)
"""Who made the model, as the first part of its name on hubs."""

_ROUTES = words("eu us global global-standard regional converse invoke converse_like")
_AWS_REGION = re.compile(r"^[a-z]{2}(?:-gov)?-[a-z]+-\d$")

_BEDROCK = re.compile(
    r"^(?:(?:us-gov|us|eu|apac|jp|au|ca|in|sa|me|af|global|regional)\.)?"
    r"(?:anthropic|amazon|meta|mistral|cohere|ai21|stability|deepseek|openai|qwen|writer|luma|"
    r"twelvelabs|google|nvidia|minimax|moonshot|moonshotai|zai|xai)\.(?P<name>[a-z].+)$"
)
_ROUTING = re.compile(r":(?:online|nitro|floor|exacto)$", re.IGNORECASE)
"""OpenRouter: how to choose who serves the model, or that it may search; the model is the same."""
_FINE_TUNE = re.compile(r"^ft:(?P<base>[^:]+)", re.IGNORECASE)
_AZURE_FINE_TUNE = re.compile(r"^(?P<base>.+)\.ft-[0-9a-f]{6,}.*$", re.IGNORECASE)

_ENDINGS: tuple[tuple[re.Pattern[str], str], ...] = (
    # Bedrock: context length, then the revision; -v1 says nothing, -v2 of an embedding model does.
    (re.compile(r":\d+:\d+k$|:\d+k$"), ":0"),
    (re.compile(r"(?:-v1|(?<=\d{8})-v\d+|(?<=\db)-1)?:\d$"), ""),
    (re.compile(r"(?<=\d)-v1$"), ""),
    (re.compile(r"@(?:default|latest|20\d{6}|\d{3})$"), ""),
    (re.compile(r":latest$"), ""),
    (
        re.compile(r"-20\d{2}-?(?:0[1-9]|1[0-2])-?(?:0[1-9]|[12]\d|3[01])(?=$|:[a-z])"),
        "",
    ),
    (re.compile(r"^(claude-(?:opus|sonnet)-4)-0$"), r"\1"),
)
"""What is cut from every name, in this order: revisions and full dates."""

_SOFT_ENDING = re.compile(r"-(?:latest|\d{4}|(?:0[1-9]|1[0-2])-(?:20\d{2}|[0-3]\d))$")
_GEMINI_REVISION = re.compile(r"^(gemini-.+)-00\d$")


@dataclass(frozen=True, slots=True)
class Spellings:
    """One model name, from what was written to its plainest form."""

    forms: tuple[str, ...]
    """Names to look up, most literal first; never empty, but holds `""` for no name."""
    plain: str
    """Without platform, provider, revision and date."""
    provider: str = ""
    """Provider label that the name itself states; empty when it does not."""


def clean(raw: str) -> str:
    """Return the name without control characters and white space, cut to a sane length."""
    return _CONTROL.sub("", raw[:MAX_LENGTH])


def spellings(raw: str) -> Spellings:
    """Return the forms of a model name and the provider that it states."""
    name = clean(raw)
    forms = [name]
    if routed := _ROUTING.search(name):
        name = name[: routed.start()]
        forms.append(name)
    provider = ""
    for _ in range(_MAX_PREFIXES):
        stated, rest = _unwrap(name)
        if rest == name:
            break
        # The outermost part is the host, those behind it the maker.
        provider = provider or stated
        name = rest
        forms.append(name)
    if bedrock := _BEDROCK.match(name.lower()):
        provider = provider or "aws.bedrock"
        name = name[bedrock.start("name") :]
        forms.append(name)
    plain = _plain(name)
    forms.append(plain)
    return Spellings(tuple(dict.fromkeys(forms)), plain, provider)


def without_soft_ending(name: str) -> str:
    """Return the name without `-latest`, `-0613`, `-08-2024`, `-001`: not always the same model."""
    return _GEMINI_REVISION.sub(r"\1", _SOFT_ENDING.sub("", name))


def signature(name: str) -> tuple[str, tuple[str, ...]]:
    """Return what stays equal between two spellings of one model: digits in order, words."""
    parts = [part for part in re.split(r"[^a-z0-9]+", name.lower()) if part]
    digits = "".join(part for part in parts if part.isdigit())
    words = sorted(part for part in parts if not part.isdigit())
    return digits, tuple(words)


def _unwrap(name: str) -> tuple[str, str]:
    """Return (provider label or empty, rest) without the outermost part, unchanged if none.

    Parts are resource names (ARNs, `publishers/...`) and prefixes (`openai/gpt-4o`, `openai:o3`).
    """
    for pattern, provider in _PLATFORMS:
        if match := pattern.match(name):
            return provider, match["name"]
    for separator in "/:":
        head, found, rest = name.partition(separator)
        if not found or not rest or not head:
            continue
        lowered = head.lower()
        if separator == "/" and (
            lowered in _MAKERS or lowered in _ROUTES or _AWS_REGION.match(lowered)
        ):
            return "", rest
        if label := known_provider(head):
            return label, rest
    return "", name


def _plain(name: str) -> str:
    if match := _FINE_TUNE.match(name):
        return "ft:" + _strip_endings(match["base"])
    if match := _AZURE_FINE_TUNE.match(name):
        return "ft:" + _strip_endings(match["base"])
    return _strip_endings(name)


def _strip_endings(name: str) -> str:
    for pattern, replacement in _ENDINGS:
        name = pattern.sub(replacement, name) or name
    return name
