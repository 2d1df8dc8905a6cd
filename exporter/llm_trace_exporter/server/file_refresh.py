"""Changed files taken in while the exporter runs, the same way for all of them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Generic, TypeVar

from ..errors import ConfigError

_logger = logging.getLogger(__name__)

T = TypeVar("T")


class Refresh(Generic[T]):
    """Prepares from changed files and commits; what cannot be used is told once and tried again."""

    def __init__(
        self,
        what: str,
        *,
        has_changed: Callable[[], bool],
        prepare: Callable[[], T],
        commit: Callable[[T], None],
    ) -> None:
        """Nothing is read before it is called; `what` names the files in the log."""
        self._what = what
        self._has_changed = has_changed
        self._prepare = prepare
        self._commit = commit
        self._failure = ""

    def __call__(self) -> bool | None:
        """Read changed files: whether they could be used, or None without a change."""
        if not (self._failure or self._has_changed()):
            return None
        try:
            prepared = self._prepare()
        except ConfigError as error:
            if str(error) != self._failure:
                self._failure = str(error)
                _logger.error("%s: the old ones stay: %s", self._what, error)  # noqa: TRY400
            return False
        self._commit(prepared)
        self._failure = ""
        _logger.info("%s: read again", self._what)
        return True
