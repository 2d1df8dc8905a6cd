"""Users and their bcrypt hashes, checked in equal time whether a user exists or not."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import bcrypt

_REMEMBERED = 256
_BCRYPT_READS = 72
"""Bytes of a password that bcrypt looks at; its implementations in C and Go pass over the rest."""


@dataclass(frozen=True, slots=True)
class Hashes:
    """Users' bcrypt hashes, and one of nobody that costs as much to compare with."""

    by_user: Mapping[str, str] = field(default_factory=dict, repr=False)
    decoy: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Choose the decoy."""
        cost = max((hashed[4:6] for hashed in self.by_user.values()), default="10")
        object.__setattr__(self, "decoy", f"$2b${cost}${'.' * 22}{'.' * 31}".encode())


class Users:
    """The users of one listener.

    A hash takes many milliseconds: it is computed one at a time, in a thread, and a password that
    was right is remembered by a digest that means nothing outside of this process.
    """

    def __init__(self) -> None:
        """Start without users."""
        self._hashes = Hashes()
        self._secret = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="bcrypt")

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._hashes.by_user)

    def commit(self, hashes: Hashes) -> None:
        """Go on with other users; what was remembered stays true for equal hashes only."""
        self._hashes = hashes

    async def know(self, user: str, password: str) -> bool:
        """Whether a user has this password."""
        hashes = self._hashes
        hashed = hashes.by_user.get(user)
        against = hashed.encode() if hashed is not None else hashes.decoy
        key = self._digest(user, against, password)
        if key in self._right:
            self._right.move_to_end(key)
            return hashed is not None
        loop = asyncio.get_running_loop()
        is_equal = await loop.run_in_executor(self._worker, _is_equal, against, password)
        if not is_equal or hashed is None:
            return False
        self._right[key] = None
        while len(self._right) > _REMEMBERED:
            self._right.popitem(last=False)
        return True

    def _digest(self, user: str, hashed: bytes, password: str) -> bytes:
        parts = (user.encode(), hashed, password.encode())
        sized = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
        return hmac.digest(self._secret, sized, hashlib.sha256)


def _is_equal(hashed: bytes, password: str) -> bool:
    try:
        return bcrypt.checkpw(password.encode()[:_BCRYPT_READS], hashed)
    except ValueError:  # a password with a NUL, which no hash stands for
        return False
