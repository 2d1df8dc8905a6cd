"""Configuration: one YAML file, one JSON Schema, frozen settings.

`load_config` reads the file or raises one ConfigError with every problem in it; `effective_yaml`
writes settings back as a file that loads to the same settings.
"""

from __future__ import annotations

from .advice import MEMORY, advice, state_advice
from .dump import conventions_yaml, effective_yaml, plain_convention
from .load import load_config, load_rules, parse_config
from .settings import Settings

__all__ = [
    "MEMORY",
    "Settings",
    "advice",
    "conventions_yaml",
    "effective_yaml",
    "load_config",
    "load_rules",
    "parse_config",
    "plain_convention",
    "state_advice",
]
