"""The configuration file, read and checked as a whole, and the file of rules it may name.

Source: exporter conventions, `--config.file`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from ..errors import ConfigError
from .bind import Schema, bind, load_schema
from .checks import Together, check
from .document import MAX_BYTES, Node, read_document
from .judge_settings import RuleSettings
from .problems import MAX_PROBLEMS, Problem
from .rule_checks import rule_findings
from .settings import Settings
from .validate import validate, without_nothing

T = TypeVar("T")


def load_config(path: Path | None, *, allows_empty: bool = True) -> Settings:
    """Settings from a file; the defaults without one.

    Paths in the file are relative to it. The rules of `judge.rules_file` are among `judge.rules`
    then.

    Args:
        path: The file.
        allows_empty: Whether a file that says nothing may stand for the defaults.

    Raises:
        ConfigError: With a line for each problem of the file.
    """
    if path is None:
        return Settings()
    text = read_text(path)
    settings, root = parse_as(Settings, text, str(path), load_schema())
    if not allows_empty and root.is_empty:
        allowed = "at least one key, or nothing under --config.allow-empty"
        raise ConfigError([f"{path}: found nothing any more; allowed: {allowed}"])
    settings = _located(settings, path.parent)
    judge = settings.judge
    key = judge.endpoint.api_key_file
    if key:
        endpoint = replace(judge.endpoint, api_key_file=located_in(path.parent, key))
        judge = replace(judge, endpoint=endpoint)
    if judge.rules_file:
        taken = {rule.name: f"{path}, judge.rules" for rule in judge.rules}
        dimensions = (d.label for d in settings.dimensions)
        further = load_rules(path.parent / judge.rules_file, dimensions, taken)
        judge = replace(judge, rules=judge.rules + further, rules_file="")
    return replace(settings, judge=judge)


def load_rules(
    path: Path, dimensions: Iterable[str], taken: dict[str, str] | None = None
) -> tuple[RuleSettings, ...]:
    """The rules of a file with the key `rules`.

    Args:
        path: The file.
        dimensions: Labels of the configured dimensions.
        taken: Name to where it stands, of rules elsewhere.

    Raises:
        ConfigError: With a line for each problem of the file.
    """
    labels = tuple(dimensions)
    found, _ = _checked(
        read_text(path),
        str(path),
        _rules_schema(),
        [lambda tree: rule_findings(tree.get("rules"), ("rules",), labels, taken)],
    )
    return bind(_RulesFile, _rules_schema(), found).rules


@dataclass(frozen=True, slots=True)
class _RulesFile:
    rules: tuple[RuleSettings, ...] = ()


def _rules_schema() -> Schema:
    rules = load_schema()["properties"]["judge"]["properties"]["rules"]
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {"rules": rules},
        "required": ["rules"],
    }


def _located(settings: Settings, folder: Path) -> Settings:
    otlp = settings.otlp
    return replace(
        settings,
        web=replace(settings.web, config_file=located_in(folder, settings.web.config_file)),
        otlp=replace(
            otlp,
            http=replace(otlp.http, config_file=located_in(folder, otlp.http.config_file)),
            grpc=replace(otlp.grpc, config_file=located_in(folder, otlp.grpc.config_file)),
            tokens=tuple(replace(t, file=located_in(folder, t.file)) for t in otlp.tokens),
        ),
        sources=tuple(
            replace(
                source,
                credentials_file=located_in(folder, source.credentials_file),
                ca_file=located_in(folder, source.ca_file),
            )
            for source in settings.sources
        ),
    )


def located_in(folder: Path, path: str) -> str:
    """A path as seen from a folder; an empty one stays."""
    return str(folder / path) if path else ""


def parse_config(text: str, name: str) -> Settings:
    """Settings from a file's text; `name` stands for the file in problems.

    Raises:
        ConfigError: With a line for each problem.
    """
    settings, _ = parse_as(Settings, text, name, load_schema())
    return settings


def parse_as(
    kind: type[T], text: str, name: str, schema: Schema, together: Iterable[Together] | None = None
) -> tuple[T, Node]:
    """The record that a file's text stands for, and the tree with its lines.

    Raises:
        ConfigError: With a line for each problem.
    """
    value, root = _checked(text, name, schema, together)
    return bind(kind, schema, value), root


def _checked(
    text: str, name: str, schema: Schema, together: Iterable[Together] | None = None
) -> tuple[dict[str, Any], Node]:
    root, problems = read_document(text)
    if root.value is None:
        root = Node({}, 1)
    value = without_nothing(root.plain(), schema)
    problems += validate(root, value, schema)
    problems += check(root, value, schema, {problem.path for problem in problems}, together)
    if problems:
        raise ConfigError(as_lines(problems, name))
    checked: dict[str, Any] = value
    return checked, root


def read_text(path: Path) -> str:
    """The text of a YAML file.

    Raises:
        ConfigError: When it cannot be read, is too large or is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise ConfigError([f"{path}: cannot be read: {reason}"]) from error
    if len(content) > MAX_BYTES:
        raise ConfigError([f"{path}: found more than 1 MiB; allowed: at most 1 MiB"])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError([f"{path}:{line}: found bytes that are not UTF-8; allowed: UTF-8"]) from (
            error
        )


def as_lines(problems: list[Problem], name: str) -> list[str]:
    """The problems of a file as lines, in the order of the file."""
    ordered = sorted(problems, key=lambda problem: problem.line)
    lines = list(dict.fromkeys(problem.text(name) for problem in ordered))
    if len(lines) > MAX_PROBLEMS:
        lines[MAX_PROBLEMS:] = [f"{name}: and {len(lines) - MAX_PROBLEMS} more problems"]
    return lines
