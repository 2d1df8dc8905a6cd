"""What `values.yaml` says about each value: its place, its default, its description."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parent / "llm-trace-exporter"

_KEY = re.compile(r"^( *)([A-Za-z]+):(.*)$")


@dataclass(frozen=True, slots=True)
class Value:
    """One value that `values.yaml` describes.

    `schema` is what its `# @schema` comment adds.
    """

    path: tuple[str, ...]
    default: Any
    description: str
    schema: dict[str, Any]

    @property
    def name(self) -> str:
        """The path as `--set` takes it."""
        return ".".join(self.path)


def values_file() -> str:
    """The text of `values.yaml`."""
    return (CHART / "values.yaml").read_text(encoding="utf-8")


def described(text: str) -> Iterator[Value]:
    """Every value with a `# --` comment, in the file's order.

    Raises: KeyError when a comment describes a key that is not there.
    """
    values = yaml.safe_load(text)
    path: list[str] = []
    about: list[str] = []
    schema: dict[str, Any] = {}
    for line in text.splitlines():
        comment = line.strip()
        if comment.startswith("# -- "):
            about, schema = [comment[5:]], {}
        elif comment.startswith("# @schema "):
            schema = json.loads(comment[10:])
        elif comment.startswith("# ") and about:
            about.append(comment[2:])
        elif found := _KEY.match(line):
            indent, key, _ = found.groups()
            path = [*path[: len(indent) // 2], key]
            if about:
                yield Value(tuple(path), _at(values, path), " ".join(about), schema)
            about, schema = [], {}
        else:
            about, schema = [], {}


def _at(values: Any, path: list[str]) -> Any:
    for key in path:
        values = values[key]
    return values
