"""Vocabularies that nobody has described: read by the words of their names alone.

A span that no other dialect knows is offered to this one where its attributes' names speak of a
model and its tokens. What is a call there is so by the evidence on it.
"""

from __future__ import annotations

from ..schema import Dialect

DIALECT = Dialect(name="open")
