"""The rules and dashboards that belong to this version.

They are files of the repository, which a wheel carries along (`force-include` in pyproject.toml):
there is no second copy that could be older than the first.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from ..errors import ConfigError
from .facts import Panel, Rule
from .shapes import panel_rows, written_rules

_PACKED = Path(__file__).with_name("bundle")
_REPOSITORY = Path(__file__).parents[3]
RULES = _PACKED / "alerts" if _PACKED.is_dir() else _REPOSITORY / "alerts"
DASHBOARDS = _PACKED / "dashboards" if _PACKED.is_dir() else _REPOSITORY / "dashboards" / "json"


def load_rules(folder: Path) -> tuple[Rule, ...]:
    """The rules of a folder's files.

    Raises: ConfigError where one cannot be read.
    """
    return tuple(_rules(folder))


def load_panels(folder: Path) -> tuple[Panel, ...]:
    """The panels of a folder's dashboards; other JSON in it is passed over.

    Raises: ConfigError where a file cannot be read.
    """
    return tuple(_panels(folder))


def _rules(folder: Path) -> Iterator[Rule]:
    for path in _files(folder, ".yml", ".yaml"):
        try:
            tree = read_yaml(_text(path))
        except yaml.YAMLError as error:
            raise ConfigError([f"{path}: found no YAML; allowed: a rule file"]) from error
        yield from written_rules(tree, path.name)


def _panels(folder: Path) -> Iterator[Panel]:
    for path in _files(folder, ".json"):
        try:
            tree = json.loads(_text(path))
        except (ValueError, RecursionError) as error:
            raise ConfigError([f"{path}: found no JSON; allowed: a dashboard"]) from error
        # As its API and its export for others wrap it.
        tree = tree.get("dashboard", tree) if isinstance(tree, dict) else {}
        name = str(tree.get("title") or path.stem).removeprefix("LLM / ")
        for title, asked in panel_rows(tree):
            yield Panel(name, title, asked)


def _files(folder: Path, *suffixes: str) -> list[Path]:
    if not folder.is_dir():
        raise ConfigError([f"{folder}: found no folder; allowed: a folder of {suffixes[0]} files"])
    return sorted(path for path in folder.iterdir() if path.suffix in suffixes)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: cannot be read"]) from error


def read_yaml(text: str) -> Any:
    """A document, by libyaml where it is there: the operator's configurations are long.

    Raises: yaml.YAMLError.
    """
    # ruff cannot see that both are safe.
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
