"""Settings as the file that would load to them."""

from __future__ import annotations

import yaml

from .bind import load_schema, unbind
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
