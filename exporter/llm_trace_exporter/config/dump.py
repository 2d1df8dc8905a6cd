"""Settings as the file that would load to them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from .bind import load_schema, unbind
from .convention_settings import ConventionSettings
from .document import plain_scalar
from .settings import Settings


class _Dumper(yaml.SafeDumper):
    """Quotes whatever would not be read back as the text that it is."""

    def ignore_aliases(self, _data: object) -> bool:
        """Write every value in full."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    is_safe = text.isprintable() and isinstance(plain_scalar(text), str)
    style = None if is_safe else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _text)


def effective_yaml(settings: Settings) -> str:
    """All that is in force, defaults included; loads back to the same settings."""
    plain = unbind(settings, load_schema())
    return yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def conventions_yaml(conventions: Iterable[ConventionSettings]) -> str:
    """The section of a file that configures conventions, without what they leave unsaid."""
    plain = {"conventions": [plain_convention(convention) for convention in conventions]}
    return yaml.dump(
        plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100,
        default_flow_style=None,
    )  # fmt: skip


def plain_convention(convention: ConventionSettings) -> dict[str, Any]:
    """A member of `conventions` as a file has it, without what it leaves unsaid."""
    schema = load_schema()["properties"]["conventions"]["items"]
    said: dict[str, Any] = _said(unbind(convention, schema))
    return said


def _said(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    said = {key: _said(item) for key, item in value.items()}
    return {key: item for key, item in said.items() if item not in ("", {})}
