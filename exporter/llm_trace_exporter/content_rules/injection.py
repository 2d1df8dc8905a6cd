"""Attempts to give the model other orders: in the user's words, in documents and tool results.

A table of forms of words. It finds what is tried openly and often, not what is new; as a count
it shows when somebody starts trying.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..content.record import CallContent
from ..model import Finding, LlmCall
from .result import Result

_W = r"(?:\W{1,3}\w{1,20}){0,4}\W{1,3}"
"""Up to four words in between."""

_FORMS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    (
        "override",
        ("ignore", "disregard", "forget", "override", "bypass"),
        rf"\b(?:ignore|disregard|forget|override|bypass){_W}(?:previous|prior|above|earlier|"
        r"preceding|all|your|system|safety)(?:\W{1,3}\w{1,20}){0,3}\W{1,3}(?:instructions?|"
        r"prompts?|rules|directions|guidelines|directives|messages?)\b",
    ),
    (
        "override",
        ("ignorier", "vergiss", "missachte"),
        r"\b(?:ignorier\w{0,3}|vergiss|missachte)\b.{0,40}\b(?:anweisung|regel|befehl)",
    ),
    (
        "override",
        ("ignore", "ignorez", "oublie"),
        r"\b(?:ignore[zr]?|oublie[zr]?)\b.{0,40}\b(?:instructions|consignes|règles)\b",
    ),
    (
        "override",
        ("ignora", "ignore", "olvida"),
        r"\b(?:ignor[ae]|olvida)\b.{0,40}\b(?:instrucciones|instruções|istruzioni)\b",
    ),
    (
        "override",
        ("忽略", "无视", "忘记", "忽視"),
        r"(?:忽略|无视|忘记|忽視).{0,12}(?:指令|指示|提示|规则|規則)",
    ),
    (
        "override",
        ("игнорируй", "забудь"),
        r"(?:игнорируй|забудь)\w{0,3}\b.{0,40}\b(?:инструкци|указани|правил)",
    ),
    ("override", ("無視", "忘れ"), r"(?:指示|命令|ルール).{0,10}(?:無視|忘れ)"),
    (
        "role_change",
        ("you are now", "act as", "pretend ", "from now on"),
        r"\b(?:you are now|act as|pretend (?:to be|you are)|from now on,? you are)\b.{0,40}\b"
        r"(?:DAN|jailbroken|unrestricted|unfiltered|evil|(?:without|no)(?: any)? "
        r"(?:restrictions|limits|rules|filters))\b",
    ),
    (
        "role_change",
        (" mode ",),
        r"\b(?:developer|god|jailbreak|sudo|DAN|debug) mode (?:enabled|activated|on)\b",
    ),
    (
        "prompt_theft",
        ("system", "initial", "hidden", "original", "secret"),
        r"\b(?:reveal|show|print|repeat|output|display|tell me|leak|give me)\b"
        r"(?:\W{1,3}\w{1,20}){0,5}\W{1,3}(?:system|initial|hidden|original|secret)\W{1,3}"
        r"(?:prompt|instructions?|message)\b",
    ),
    (
        "new_orders",
        ("instruction", "task", "system prompt"),
        r"\b(?:new|real|actual|updated) (?:instructions?|task|system prompt)"
        r"(?: (?:is|are))?\s{0,2}:",
    ),
    (
        "fake_turn",
        ("<|",),
        r"<\|(?:im_start|im_end|system|endoftext|eot_id|start_header_id)\|>",
    ),
    ("fake_turn", ("inst]", "sys>>", "<start_of"), r"\[/?INST\]|<</?SYS>>|<start_of_turn>"),
    (
        "exfiltration",
        ("](http",),
        r"!\[[^\]\n]{0,80}\]\(https?://[^\s)]{1,200}[?&][^\s)=]{1,40}=[^\s)]{0,200}"
        r"(?:\{|%7B|\[|<)",
    ),
    (
        "addresses_ai",
        ("note", "message", "instruction", "attention"),
        r"\b(?:note|message|instructions?|attention)(?: to| for)?:? (?:the )?"
        r"(?:ai|llm|language model|chatbot|gpt)s?(?: model| assistant)?s?\s{0,2}[:,]",
    ),
)
"""(category, words of which one must be there, form). The words are looked for first: that is
many times faster than the forms."""

FORMS: tuple[tuple[str, tuple[str, ...], re.Pattern[str]], ...] = tuple(
    (category, words, re.compile(form, re.IGNORECASE)) for category, words, form in _FORMS
)


def injection(call: LlmCall, said: CallContent) -> Result | None:  # noqa: ARG001 - one shape for all
    """Whether the user's message is free of attempts to give other orders."""
    return _looked([said.user]) if said.user else None


def document_injection(call: LlmCall, said: CallContent) -> Result | None:  # noqa: ARG001 - as above
    """The same of retrieved documents and what tools returned."""
    brought = (*said.documents, *said.tool_results)
    return _looked(brought) if brought else None


def _looked(texts: Iterable[str]) -> Result:
    found: set[str] = set()
    for text in texts:
        lower = text.lower()
        for category, words, form in FORMS:
            if category not in found and any(word in lower for word in words):
                found |= {category} if form.search(text) is not None else set()
    findings = tuple(Finding(category, "input") for category in sorted(found))
    return Result(passed=not found, findings=findings)
