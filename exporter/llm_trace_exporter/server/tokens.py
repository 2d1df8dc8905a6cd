"""Tokens of OTLP senders: from files, known by their digests only."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..config import Settings
from ..config.problems import MAX_PROBLEMS
from ..config.settings import TokenRateSettings, TokenSettings
from ..config.web_file import load_web_file
from ..consumer import Tenant
from ..errors import ConfigError
from .file_refresh import Refresh
from .file_watch import FileWatch
from .rate_limit import Bucket

_MAX_BYTES = 64 * 1024
_MAX_TOKENS = 100
_TOKEN = re.compile(r"[\x21-\x7e]{16,1024}")
_ALLOWED = "16 to 1024 visible ASCII characters"


@dataclass(slots=True)
class Token:
    """What holds for the tokens of one file."""

    tenant: Tenant
    bucket: Bucket | None
    digests: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class PreparedTokens:
    """All that follows from the configured tokens and their files."""

    settings: tuple[TokenSettings, ...] = ()
    tokens: tuple[Token, ...] = ()
    watch: FileWatch = field(default_factory=FileWatch)


class TokenStore:
    """All tokens; finding one takes the same time, whichever it is and whether it is there."""

    def __init__(self, tokens: Sequence[TokenSettings]) -> None:
        """Read the files.

        Raises: ConfigError with a line for each problem.
        """
        self._in_force = PreparedTokens()
        self.commit(self.prepare(tokens))
        self.refresh = Refresh(
            "tokens",
            has_changed=self._has_changed,
            prepare=lambda: self.prepare(self._in_force.settings),
            commit=self.commit,
        )
        """Takes changed files in."""

    def __bool__(self) -> bool:
        """Whether any are asked for."""
        return bool(self._in_force.tokens)

    @property
    def names(self) -> tuple[str, ...]:
        """What the senders are called."""
        return tuple(token.tenant.name for token in self._in_force.tokens)

    def prepare(self, tokens: Sequence[TokenSettings]) -> PreparedTokens:
        """What these files say now, and who has used up which rate; nothing is changed.

        Raises: ConfigError with a line for each problem.
        """
        watch = FileWatch(Path(token.file) for token in tokens)
        digests = _read_all(tokens)
        before = zip(self._in_force.settings, self._in_force.tokens, strict=True)
        buckets = {(t.name, t.rate_limit): old.bucket for t, old in before}
        found = tuple(
            Token(
                Tenant(token.name, tuple(sorted(token.labels.items()))),
                buckets.get((token.name, token.rate_limit)) or _bucket(token.rate_limit),
                digests[token.name],
            )
            for token in tokens
        )
        return PreparedTokens(tuple(tokens), found, watch)

    def commit(self, prepared: PreparedTokens) -> None:
        """Go on with what was prepared."""
        self._in_force = prepared

    def find(self, presented: str) -> Token | None:
        """Whose token it is."""
        digest = _digest(presented)
        found = None
        for token in self._in_force.tokens:
            for known in token.digests:
                if hmac.compare_digest(digest, known):
                    found = token
        return found

    def _has_changed(self) -> bool:
        return self._in_force.watch.has_changed()


def check_files(settings: Settings) -> None:
    """Read every file with secrets that the configuration names.

    Raises: ConfigError with a line for each problem of all of them.
    """
    problems: list[str] = []
    files = (
        ("web", settings.web.config_file),
        ("otlp_http", settings.otlp.http.config_file),
        ("otlp_grpc", settings.otlp.grpc.config_file),
    )
    tokens = settings.otlp.tokens
    for listener, path in files:
        if not path:
            continue
        try:
            file, _ = load_web_file(Path(path), listener)  # type: ignore[arg-type]
        except ConfigError as error:
            problems += error.problems
            continue
        if file.basic_auth_users and tokens and listener != "web":
            # A request has one Authorization header.
            problems.append(
                f"{path}: basic_auth_users: found users, besides otlp.tokens; allowed: one of them"
            )
    try:
        _read_all(tokens)
    except ConfigError as error:
        problems += error.problems
    if problems:
        raise ConfigError(list(dict.fromkeys(problems))[:MAX_PROBLEMS])


def _read_all(tokens: Sequence[TokenSettings]) -> Mapping[str, tuple[bytes, ...]]:
    found: dict[str, tuple[bytes, ...]] = {}
    problems: list[str] = []
    owners: dict[bytes, str] = {}
    for token in tokens:
        found[token.name], wrong = _read(Path(token.file))
        problems += wrong
        for digest in found[token.name]:
            first = owners.setdefault(digest, token.name)
            if first != token.name:
                problems.append(
                    f"{token.file}: found a token of {first}; allowed: each token for one sender"
                )
    if problems:
        raise ConfigError(problems)
    return found


def _read(path: Path) -> tuple[tuple[bytes, ...], list[str]]:
    """The digests of a file's tokens, and what is wrong with it; never a token."""
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        return (), [f"{path}: cannot be read: {reason}"]
    if len(content) > _MAX_BYTES:
        return (), [f"{path}: found more than 64 KiB; allowed: at most 64 KiB"]
    written = [
        (number, line.strip())
        for number, line in enumerate(content.decode("latin-1").splitlines(), 1)
        if line.strip()
    ]
    problems = [
        f"{path}:{number}: found {len(text)} characters; allowed: {_ALLOWED}"
        for number, text in written
        if _TOKEN.fullmatch(text) is None
    ]
    if not 0 < len(written) <= _MAX_TOKENS:
        problems.append(f"{path}: found {len(written)} tokens; allowed: 1 to {_MAX_TOKENS}")
    return tuple(_digest(text) for _, text in written), problems


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _bucket(rate: TokenRateSettings | None) -> Bucket | None:
    return Bucket(rate.requests_per_second, rate.burst) if rate is not None else None
