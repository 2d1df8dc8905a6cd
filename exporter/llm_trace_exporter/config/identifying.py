"""Attribute keys that say who somebody is: no label is made of them by accident.

A label is read by whoever reads metrics, for as long as Prometheus keeps them, and one of people
has as many values as there are people. Whoever wants it all the same says so.
"""

from __future__ import annotations

import re

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

_PERSON = (
    r"user", r"end user", r"enduser", r"visitor", r"member", r"employee", r"person", r"patient",
    r"student", r"subscriber",
)  # fmt: skip
_WHO = (
    r"id", r"ids", r"uid", r"uuid", r"guid", r"name", r"full name", r"first name", r"last name",
    r"login", r"handle", r"hash", r"alias", r"sub", r"key", r"number", r"identifier",
    r"address", r"ip",
)  # fmt: skip

IDENTIFYING: tuple[str, ...] = (
    rf"(?:{'|'.join(_PERSON)}) (?:{'|'.join(_WHO)})\b",
    r"(?:users?|end user|enduser|visitor)$",
    r"(?:end user|enduser|gen ai user|genai user)\b",
    r"(?:user ?names?|userids?|uid|usermail|login name)\b",
    r"(?:sessions?|conversation|chat|visitor|device|distinct|anonymous|cookie) (?:id|key|uuid)\b",
    r"(?:session|conversation)$",
    r"(?:sessionid|conversationid|visitorid|deviceid|distinctid)\b",
    r"(?:e ?mails?|useremail|mail)(?: (?:address|hash|id))?$",
    r"(?:tele)?phones?(?: ?(?:number|no|hash))?$|phonenumber\b|msisdn\b|mobile number\b",
    r"(?:client|source|remote|peer|sock peer|caller|user) (?:ip|addr|address)\b",
    r"ip address\b|forwarded for\b",
    r"(?:first|last|full|given|family|middle|maiden) ?name\b|surname\b",
    r"(?:ssn|social security|passport|birth ?(?:date|day)|date of birth|iban|credit card)\b",
    r"(?:postal|street|home) address\b",
)
"""Patterns of what a key says, as words in lower case with one blank between them, from the
beginning of any word on."""

_IDENTIFYING = re.compile(rf"\b(?:{'|'.join(IDENTIFYING)})")


def identifies(key: str) -> bool:
    """Whether an attribute key, or the selector `attr#a.b`, names what tells people apart.

    `user.id`, `userId`, `user_id` and `metadata#user.id` are the same words.
    """
    words = " ".join(word.lower() for word in _WORD.findall(key))
    return _IDENTIFYING.search(words) is not None
