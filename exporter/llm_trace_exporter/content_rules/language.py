"""Whether the answer is in the user's language.

py3langid tells languages from byte sequences, offline, in well under a millisecond; it takes
about 130 MB of memory and is loaded when the first text is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from ..content.record import CallContent
from ..model import LlmCall
from .result import Result

MAX_CHARS = 2_000
MIN_LETTERS = 20
"""Fewer letters tell no language; a letter of a script with many counts for three."""
MIN_CONFIDENCE = 0.8

_CODE = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]{1,200}`|https?://\S{1,500}|\S{1,100}@\S{1,100}", re.DOTALL
)
_DENSE = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_FAMILY: Mapping[str, str] = {
    **dict.fromkeys(("da", "nb", "nn", "no"), "no"),
    **dict.fromkeys(("bs", "hr", "sl", "sr"), "sr"),
    **dict.fromkeys(("an", "ast", "ca", "es", "gl", "oc"), "es"),
    **dict.fromkeys(("cs", "sk"), "cs"),
    **dict.fromkeys(("id", "jv", "ms"), "ms"),
    **dict.fromkeys(("be", "bg", "mk", "ru", "uk"), "ru"),
    **dict.fromkeys(("hi", "mr", "ne"), "hi"),
    **dict.fromkeys(("af", "nl"), "nl"),
    **dict.fromkeys(("de", "lb"), "de"),
    **dict.fromkeys(("fa", "ps", "ur"), "fa"),
}
"""Languages that short texts do not tell apart -> one for all of them."""
_TRANSLATES = (
    *("translat", "übersetz", "tradu", "vertaal", "oversett", "översätt", "przetłumacz", "перевед"),
    *("переклад", "翻译", "翻譯", "翻訳", "번역", "ترجم", "अनुवाद", "çevir"),
)
_LANGUAGES = (
    *("english", "german", "french", "spanish", "italian", "portuguese", "dutch", "polish"),
    *("chinese", "japanese", "korean", "russian", "arabic", "hindi", "turkish", "swedish"),
    *("deutsch", "englisch", "französisch", "spanisch", "anglais", "allemand", "espagnol"),
    *("español", "inglés", "alemán", "francés", "inglese", "tedesco", "inglês", "alemão"),
    *("français", "英語", "英文", "中文", "日本語", "английск", "영어"),
)
"""Who names a language may want the answer in it."""


def language(call: LlmCall, said: CallContent) -> Result | None:  # noqa: ARG001 - one shape for all
    """Whether question and answer are in one language; None where either is too short to tell."""
    wanted = f"{said.user} {said.system}"[: 2 * MAX_CHARS].lower()
    if any(word in wanted for word in (*_TRANSLATES, *_LANGUAGES)):
        return None
    asked, answered = language_of(said.user), language_of(said.answer)
    if asked is None or answered is None:
        return None
    return Result(passed=asked == answered)


def language_of(text: str) -> str | None:
    """The language of a text, alike ones as one; None where it cannot be told."""
    words = _CODE.sub(" ", text[:MAX_CHARS])
    letters = sum(map(str.isalpha, words)) + 2 * len(_DENSE.findall(words))
    if letters < MIN_LETTERS or 2 * letters < len(words.replace(" ", "")):
        return None
    classified: tuple[str, float] = _identifier().classify(words)
    found, confidence = classified
    if confidence < MIN_CONFIDENCE or found == "zxx":
        return None
    return _FAMILY.get(found, found)


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # noqa: PLC0415 - 130 MB

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
