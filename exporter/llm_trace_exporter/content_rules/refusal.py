"""Answers that refuse, and answers that are none.

A refusal is told at the start of an answer, in few forms of words in each language: tables of
them, no model. What is refused may well deserve it; that is for other judges.
"""

# ruff: noqa: RUF001 - words of many languages
from __future__ import annotations

import re

from ..content.record import CallContent
from ..model import LlmCall
from .result import Result

HEAD_CHARS = 400
"""A refusal comes at the start of an answer."""
MAX_EMPTY_TOKENS = 5
"""More output tokens than this beside no answer: it was not recorded, not empty."""

_CANNOT = (
    *("i can't", "i cannot", "i can not", "i'm unable to", "i am unable to", "i'm not able to"),
    *("i am not able to", "i won't be able to", "i will not be able to", "i won't", "i will not"),
    *("i'm not allowed to", "i am not allowed to", "i'm not permitted to", "i must decline to"),
    *("i have to decline to", "we can't", "we cannot", "we are unable to", "we're unable to"),
)
_DO = (
    *("help with", "help you with", "help you do", "help you to", "assist", "comply", "fulfill"),
    *("fulfil", "discuss", "engage in", "participate in", "do that", "share that", "answer that"),
    *("answer this", "provide that", "provide this", "provide you with", "provide information"),
    *("provide instructions", "provide advice", "provide guidance", "provide medical"),
    *("provide legal", "provide financial", "give you instructions", "give instructions"),
    *("give medical", "give legal", "create that", "create content", "generate that"),
    *("generate content", "write that", "support that", "complete this request"),
    *("complete that request", "process this request", "respond to that", "continue with this"),
    *("offer advice", "offer medical", "offer legal", "reveal", "disclose"),
)
MARKERS: tuple[str, ...] = (
    *("i must decline", "i have to decline", "i'd rather not help", "against my guidelines"),
    *("violates my guidelines", "as an ai language model, i can", "i'm sorry, i can't do that"),
    # German
    *("dabei kann ich nicht helfen", "dabei kann ich ihnen nicht helfen"),
    *("dabei kann ich dir nicht helfen", "damit kann ich nicht", "damit kann ich dir nicht"),
    *("damit kann ich ihnen nicht", "ich kann ihnen dabei nicht", "ich kann dir dabei nicht"),
    *("ich kann diese anfrage nicht", "kann ich leider nicht beantworten"),
    *("ich kann dazu keine", "ich darf ihnen dazu keine", "ich kann ihnen nicht helfen"),
    # French
    *("je ne peux pas vous aider", "je ne peux pas t'aider", "je ne peux pas répondre à"),
    *("je ne suis pas en mesure de", "je ne peux pas fournir", "je ne peux pas satisfaire"),
    *("je ne peux pas accéder à cette demande", "je dois refuser"),
    # Spanish
    *("no puedo ayudarte con", "no puedo ayudarle con", "no puedo ayudar con", "no puedo cumplir"),
    *("no puedo proporcionar", "no puedo responder a es", "no estoy autorizado a"),
    *("no puedo asistir", "lo siento, pero no puedo ayudar"),
    # Italian
    *("non posso aiutarti", "non posso aiutarla", "non posso assisterti", "non posso fornire"),
    *("non sono in grado di aiutar", "non posso rispondere a quest", "non posso soddisfare"),
    # Portuguese
    *("não posso ajudar", "não posso ajudá-lo", "não consigo ajudar com", "não posso fornecer"),
    *("não posso atender", "não posso responder a es"),
    # Dutch
    *("ik kan je daar niet mee helpen", "ik kan u daar niet mee helpen", "ik kan niet helpen met"),
    *("daar kan ik je niet mee helpen", "daar kan ik u niet mee helpen", "ik kan hier niet mee"),
    # Polish
    *("nie mogę w tym pomóc", "nie mogę ci w tym pomóc", "nie mogę pomóc", "nie mogę spełnić"),
    # Scandinavian
    *("jag kan inte hjälpa", "jeg kan ikke hjelpe", "jeg kan ikke hjælpe", "en voi auttaa"),
    # Turkish
    *("bu konuda yardımcı olamam", "bu isteği yerine getiremem", "yardımcı olamıyorum"),
    # Russian, Ukrainian
    *("я не могу помочь", "я не могу вам помочь", "не могу выполнить этот запрос"),
    *("я не могу предоставить", "не можу допомогти"),
    # Arabic, Hebrew, Hindi
    *("لا أستطيع مساعدتك", "لا يمكنني مساعدتك", "لا يمكنني المساعدة", "אני לא יכול לעזור"),
    *("मैं इसमें आपकी मदद नहीं", "मैं इसमें मदद नहीं कर सकता"),
    # Chinese, Japanese, Korean
    *(
        "我无法帮助",
        "我不能帮助",
        "无法提供这",
        "我无法协助",
        "我无法满足",
        "我無法協助",
        "我無法幫助",
    ),
    *("抱歉，我无法", "对不起，我不能", "抱歉,我无法"),
    *(
        "お手伝いできません",
        "お手伝いすることはできません",
        "お答えできません",
        "お答えすることはできません",
    ),
    *("対応できません", "ご要望にはお応えできません"),
    *(
        "도와드릴 수 없습니다",
        "도와 드릴 수 없습니다",
        "도움을 드릴 수 없습니다",
        "답변할 수 없습니다",
    ),
)
"""Forms of words of a refusal, besides `I cannot ... help with` and its like; lower case."""

_ENGLISH = re.compile(
    rf"(?:{'|'.join(map(re.escape, _CANNOT))})"
    r"(?: (?:really|currently|directly|in good conscience|help or|also|ever|actually))?"
    rf" (?:{'|'.join(map(re.escape, _DO))})\b"
)
_APOSTROPHES = str.maketrans({"\u2019": "'", "\u02bc": "'", "\u00b4": "'"})
_BLANK = " \t\r\n\u00a0\u200b\u200c\u200d\u2060\ufeff`\"'"
_ENDED = {"stop", "length"}


def refusal(call: LlmCall, said: CallContent) -> Result | None:
    """Whether the model did as it was asked, or refused."""
    if "refusal" in call.finish_reasons:
        return Result(passed=False)
    if not said.answer.strip():
        return None
    head = " ".join(said.answer[:HEAD_CHARS].translate(_APOSTROPHES).lower().split())
    refused = _ENGLISH.search(head) is not None or any(marker in head for marker in MARKERS)
    return Result(passed=not refused)


def empty_answer(call: LlmCall, said: CallContent) -> Result | None:
    """Whether there is an answer at all.

    An emitter may leave the answer out; so only where the model is known to have ended, and to
    have written next to nothing, is an answer empty.
    """
    if said.answer.strip(_BLANK):
        return Result(passed=True)
    ended = _ENDED.issuperset(call.finish_reasons) and bool(call.finish_reasons)
    silent = call.tokens is not None and call.tokens.output <= MAX_EMPTY_TOKENS
    return Result(passed=False) if ended and silent and said.user else None
