"""Secrets by their form: detect-secrets' detectors of single services, and tokens it lacks.

Only detectors of a fixed form are used: those that go by entropy or by key words call too much a
secret. None of them asks the network. Those whose time grows with the square of a text are
replaced by patterns of bounded length.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from importlib import import_module
from itertools import islice
from typing import Any

from ..content.record import CallContent
from ..model import LlmCall
from .result import Found, Result, leaks

_DETECTORS: tuple[tuple[str, tuple[str, ...], str, str], ...] = (
    ("aws_key", ("AKIA", "ASIA", "ABIA", "ACCA", "A3T", "aws", "AWS"), "aws", "AWSKeyDetector"),
    ("azure_storage_key", ("AccountKey=",), "azure_storage_key", "AzureStorageKeyDetector"),
    ("basic_auth", ("://",), "basic_auth", "BasicAuthDetector"),
    ("discord_token", (".",), "discord", "DiscordBotTokenDetector"),
    (
        "github_token",
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
        "github_token",
        "GitHubTokenDetector",
    ),
    ("gitlab_token", ("gl", "GR1348941"), "gitlab_token", "GitLabTokenDetector"),
    ("mailchimp_key", ("-us",), "mailchimp", "MailchimpDetector"),
    ("private_key", ("PRIVATE KEY", "PuTTY-User-Key"), "private_key", "PrivateKeyDetector"),
    ("pypi_token", ("pypi-",), "pypi_token", "PypiTokenDetector"),
    ("sendgrid_key", ("SG.",), "sendgrid", "SendGridDetector"),
    ("slack_token", ("xox", "hooks.slack.com"), "slack", "SlackDetector"),
    ("square_secret", ("sq0csp",), "square_oauth", "SquareOAuthDetector"),
    ("stripe_key", ("_live_",), "stripe", "StripeDetector"),
    ("twilio_key", ("AC", "SK"), "twilio", "TwilioKeyDetector"),
)
"""(category, letters of which some must be there, module of detect_secrets.plugins, class)."""

_FORMS: tuple[tuple[str, tuple[str, ...], re.Pattern[str]], ...] = (
    (
        "anthropic_key",
        ("sk-ant-",),
        re.compile(r"(?<![\w-])sk-ant-[a-z]{2,8}\d{2}-[\w-]{20,200}"),
    ),
    (
        "openai_key",
        ("sk-",),
        re.compile(r"(?<![\w-])sk-(?!ant-)(?:[a-z]{4,10}-)?[A-Za-z0-9_]{32,200}"),
    ),
    ("google_key", ("AIza",), re.compile(r"(?<![\w-])AIza[\w-]{35}(?![\w-])")),
    ("huggingface_token", ("hf_",), re.compile(r"(?<!\w)hf_[A-Za-z0-9]{34}(?!\w)")),
    (
        "jwt",
        ("eyJ",),
        re.compile(r"(?<![\w-])eyJ[\w-]{10,2000}\.eyJ[\w-]{10,4000}\.[\w-]{20,1000}"),
    ),
    ("npm_token", ("npm_",), re.compile(r"(?<!\w)npm_[A-Za-z0-9]{36}(?!\w)")),
)
_MAX_FOUND = 100


def secrets(call: LlmCall, said: CallContent) -> Result | None:  # noqa: ARG001 - one shape for all
    """Whether the answer gives away a secret; findings on both sides."""
    return leaks(said, _find)


def _find(text: str) -> Iterator[Found]:
    for category, letters, detect in _detectors():
        if any(some in text for some in letters):
            for found in islice(detect(text), _MAX_FOUND):
                yield category, str(found)


def _by_form(form: re.Pattern[str], text: str) -> Iterator[str]:
    return (match[0] for match in form.finditer(text))


Detect = Callable[[str], Iterable[Any]]


@cache
def _detectors() -> tuple[tuple[str, tuple[str, ...], Detect], ...]:
    known = [
        (category, letters, getattr(import_module(f"detect_secrets.plugins.{module}"), name)())
        for category, letters, module, name in _DETECTORS
    ]
    return (
        *((category, letters, detector.analyze_string) for category, letters, detector in known),
        *((category, letters, partial(_by_form, form)) for category, letters, form in _FORMS),
    )
