"""Rules about what was said that need no model: code judges, sampled, on texts held in memory.

Each rule is a function from a call and its texts to a `Result`, or None where it has nothing to
say. The names of the rules are the names of their judges and of their settings.
"""

from __future__ import annotations

from .runner import REMEDY, RULES, ContentRuleRunner, missing_libraries

__all__ = ["REMEDY", "RULES", "ContentRuleRunner", "missing_libraries"]
