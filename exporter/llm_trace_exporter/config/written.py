"""What is written in a configuration, as far as it has the shape that is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def mapping_in(tree: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The mapping under a key; empty where it is none."""
    value = tree.get(key)
    return value if isinstance(value, dict) else {}


def items_in(tree: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """The mappings in the list under a key, each in its place; empty for what is none."""
    value = tree.get(key)
    items = value if isinstance(value, list) else []
    return [item if isinstance(item, dict) else {} for item in items]
