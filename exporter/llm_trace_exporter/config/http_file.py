"""HTTP client configurations: how a Prometheus is asked, in the format that promtool reads.

What the format can say and is not done here (OAuth 2, AWS' signatures, proxies) is refused, so that
nobody trusts in it. Source: prometheus/common, config/http_config.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from .bind import load_schema
from .load import located_in, parse_as, read_text
from .rule_checks import Finding

_TOKENS = ("bearer_token", "bearer_token_file")
_METHODS = ("basic_auth", "authorization", *_TOKENS)


@dataclass(frozen=True, slots=True)
class BasicAuth:
    """User and password."""

    username: str = ""
    username_file: str = ""
    password: str = field(default="", repr=False)
    password_file: str = ""


@dataclass(frozen=True, slots=True)
class Authorization:
    """The Authorization header."""

    type: str = "Bearer"
    credentials: str = field(default="", repr=False)
    credentials_file: str = ""


@dataclass(frozen=True, slots=True)
class ClientTls:
    """Certificates."""

    ca: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    server_name: str = ""
    insecure_skip_verify: bool = False


@dataclass(frozen=True, slots=True)
class Header:
    """One header's values."""

    values: tuple[str, ...] = ()
    secrets: tuple[str, ...] = field(default=(), repr=False)
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HttpFile:
    """A client configuration; the paths in it are seen from the working directory."""

    basic_auth: BasicAuth | None = None
    authorization: Authorization | None = None
    bearer_token: str = field(default="", repr=False)
    bearer_token_file: str = ""
    tls_config: ClientTls = ClientTls()
    http_headers: Mapping[str, Header] = field(default_factory=dict)
    follow_redirects: bool = True
    enable_http2: bool = True


def load_http_file(path: Path) -> HttpFile:
    """A client configuration. The files that it names are not read yet.

    Raises:
        ConfigError: With a line for each problem.
    """
    schema = load_schema("http_schema.json")
    file, _ = parse_as(HttpFile, read_text(path), str(path), schema, (_sources,))
    return _located(file, path.parent)


def request_headers(file: HttpFile) -> list[tuple[str, str]]:
    """The headers of every request but those of a user and password; reads the files.

    Raises: ConfigError.
    """
    found: list[tuple[str, str]] = []
    token = file.bearer_token or (read_secret(file.bearer_token_file) if file.bearer_token_file
                                  else "")  # fmt: skip
    if file.authorization is not None:
        authorization = file.authorization
        token = authorization.credentials or read_secret(authorization.credentials_file)
        found.append(("Authorization", f"{authorization.type} {token}".strip()))
    elif token:
        found.append(("Authorization", f"Bearer {token}"))
    for name, header in file.http_headers.items():
        read = tuple(read_secret(path) for path in header.files)
        found += [(name, value) for value in (*header.values, *header.secrets, *read)]
    return found


def user_and_password(file: HttpFile) -> tuple[str, str] | None:
    """Of basic authentication; reads the files.

    Raises: ConfigError.
    """
    basic = file.basic_auth
    if basic is None:
        return None
    user = read_secret(basic.username_file) if basic.username_file else basic.username
    return user, read_secret(basic.password_file) if basic.password_file else basic.password


def read_secret(path: str) -> str:
    """A file's one line.

    Raises: ConfigError; its text holds nothing of the file.
    """
    text = read_text(Path(path)).strip()
    if not text or not text.isprintable() or not text.isascii():
        raise ConfigError([f"{path}: found no secret; allowed: one line of printable ASCII"])
    return text


def _located(file: HttpFile, folder: Path) -> HttpFile:
    tls = file.tls_config
    basic, authorization = file.basic_auth, file.authorization
    return replace(
        file,
        tls_config=replace(
            tls,
            ca_file=located_in(folder, tls.ca_file),
            cert_file=located_in(folder, tls.cert_file),
            key_file=located_in(folder, tls.key_file),
        ),
        bearer_token_file=located_in(folder, file.bearer_token_file),
        basic_auth=basic and replace(
            basic,
            username_file=located_in(folder, basic.username_file),
            password_file=located_in(folder, basic.password_file),
        ),
        authorization=authorization and replace(
            authorization, credentials_file=located_in(folder, authorization.credentials_file)
        ),
        http_headers={
            name: replace(header, files=tuple(located_in(folder, p) for p in header.files))
            for name, header in file.http_headers.items()
        },
    )  # fmt: skip


_PAIRS = {
    ("basic_auth",): (("username", "username_file"), ("password", "password_file")),
    ("authorization",): (("credentials", "credentials_file"),),
    ("tls_config",): (("ca", "ca_file"),),
    (): (_TOKENS,),
}


def _sources(tree: dict[str, Any]) -> Iterator[Finding]:
    methods = [name for name in _METHODS if tree.get(name)]
    if len({name.removesuffix("_file") for name in methods}) > 1:
        yield (methods[1],), f"{methods[1]} besides {methods[0]}", "one way to authenticate"
    for at, pairs in _PAIRS.items():
        section = tree.get(at[0]) if at else tree
        if not isinstance(section, dict):
            continue
        for inline, file in pairs:
            if section.get(inline) and section.get(file):
                yield (*at, inline), f"{inline} besides {file}", "one of the two"
    authorization = tree.get("authorization")
    if isinstance(authorization, dict) and not (
        authorization.get("credentials") or authorization.get("credentials_file")
    ):
        yield ("authorization",), "no credentials", "credentials or credentials_file"
    tls = tree.get("tls_config")
    if isinstance(tls, dict) and bool(tls.get("cert_file")) != bool(tls.get("key_file")):
        yield ("tls_config",), "one of cert_file and key_file", "both or none"
