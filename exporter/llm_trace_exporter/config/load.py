"""The configuration file, read and checked as a whole.

Source: exporter conventions, `--config.file`.
"""

from __future__ import annotations

from pathlib import Path

from ..errors import ConfigError
from .bind import bind, load_schema
from .checks import check
from .document import MAX_BYTES, Node, read_document
from .problems import MAX_PROBLEMS, Problem
from .settings import Settings
from .validate import validate, without_nothing


def load_config(path: Path | None) -> Settings:
    """Settings from a file; the defaults without one.

    Raises:
        ConfigError: With a line for each problem of the file.
    """
    if path is None:
        return Settings()
    return parse_config(_read(path), str(path))


def parse_config(text: str, name: str) -> Settings:
    """Settings from a file's text; `name` stands for the file in problems.

    Raises:
        ConfigError: With a line for each problem.
    """
    root, problems = read_document(text)
    if root.value is None:
        root = Node({}, 1)
    schema = load_schema()
    value = without_nothing(root.plain(), schema)
    problems += validate(root, value, schema)
    problems += check(root, value, schema, {problem.path for problem in problems})
    if problems:
        raise ConfigError(_told(problems, name))
    return bind(Settings, schema, value)


def _read(path: Path) -> str:
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


def _told(problems: list[Problem], name: str) -> list[str]:
    ordered = sorted(problems, key=lambda problem: problem.line)
    lines = list(dict.fromkeys(problem.text(name) for problem in ordered))
    if len(lines) > MAX_PROBLEMS:
        lines[MAX_PROBLEMS:] = [f"{name}: and {len(lines) - MAX_PROBLEMS} more problems"]
    return lines
