"""YAML text as a tree that knows its lines, bounded in every direction.

YAML 1.2's core schema is used: `yes`, `no`, `on` and `1:30` are texts. Keys are always texts, as
written. Tags, merge keys, duplicate keys and several documents in one file are refused; aliases
are followed as long as the whole stays small.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from .problems import Path, Problem, display

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 24
MAX_NODES = 50_000
"""Nodes of the whole document, what aliases stand for included."""

Scalar = str | int | float | bool | None

_INT = re.compile(r"[-+]?[0-9]{1,25}|0x[0-9a-fA-F]{1,20}|0o[0-7]{1,25}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,5})?")
_WORDS: Mapping[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NOT_TEXT = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|%.*")
_TOKEN = re.compile(r"'(<[a-z ]+>|[^\w\s\\])'")
_REMEDIES = (
    (r"'\t'", "spaces in its place"),
    (
        "expected <block end>",
        "the keys of a section indented alike, and a text with signs in quotes",
    ),
    (
        "values are not allowed here",
        'the keys of a section indented alike, and a text with ": " in quotes',
    ),
    ("cannot start any token", "a text that begins with this sign in quotes"),
)
"""What the scanner says -> what is most likely to be done; the first that is part of it."""


@dataclass(slots=True)
class Node:
    """One value of the document."""

    value: Scalar | list[Node] | dict[str, Node]
    line: int
    """Counted from 1; the line of the key for what stands under one."""
    size: int = 1
    """Nodes in it, itself included."""

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing: no value anywhere, however deep the keys."""
        if isinstance(self.value, dict):
            return all(node.is_empty for node in self.value.values())
        return self.value is None

    def plain(self) -> Any:
        """The value as Python's own lists, dicts and scalars."""
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        return self.value


class _StopError(Exception):
    """The document cannot be read any further."""


def plain_scalar(text: str) -> Scalar:
    """The value of an unquoted scalar."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text, 0) if text[:2] in ("0x", "0o") else int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text


def read_document(text: str) -> tuple[Node, list[Problem]]:
    """The tree of a file and what is wrong with how it is written.

    After a problem that hides the rest, the tree is what was read before it.
    """
    if odd := _NOT_TEXT.search(text):
        line = text.count("\n", 0, odd.start()) + 1
        return Node({}, line), [
            Problem(line, (), f"the character U+{ord(odd[0]):04X}", "printable text")
        ]
    builder = _Builder()
    try:
        builder.read(yaml.parse(text, Loader=yaml.SafeLoader))
    except _StopError:
        pass
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        builder.problem(mark.line + 1 if mark else 1, (), _syntax(error), _remedy(error))
    except (yaml.YAMLError, ValueError, OverflowError):
        # A few escapes that are no characters get past the scanner's own errors.
        builder.problem(1, (), "text that is not YAML", "valid YAML")
    return builder.root, builder.problems


def _syntax(error: yaml.MarkedYAMLError) -> str:
    if "'\\t'" in (error.problem or ""):
        return "a tab in front of a value or key"
    # The scanner quotes what it met: names of tokens and single signs are shown, texts are not.
    words = _QUOTED.sub(_shown, error.problem or error.context or "")
    return f"a syntax error ({words[:100]})" if words else "a syntax error"


def _shown(quoted: re.Match[str]) -> str:
    return quoted[0] if _TOKEN.fullmatch(quoted[0]) else "..."


def _remedy(error: yaml.MarkedYAMLError) -> str:
    words = error.problem or ""
    return next((right for part, right in _REMEDIES if part in words), "valid YAML")


@dataclass(slots=True)
class _Open:
    """A list or mapping that has not ended."""

    node: Node
    anchor: str | None
    key: str | None = None
    key_line: int = 0


@dataclass(slots=True)
class _Builder:
    root: Node = field(default_factory=lambda: Node({}, 1))
    problems: list[Problem] = field(default_factory=list)
    _open: list[_Open] = field(default_factory=list)
    _anchors: dict[str, Node] = field(default_factory=dict)
    _nodes: int = 0
    _documents: int = 0

    def problem(self, line: int, path: Path, what: str, allowed: str) -> None:
        self.problems.append(Problem(line, path, what, allowed))

    def read(self, events: Iterator[Event]) -> None:
        for event in events:
            line = event.start_mark.line + 1 if event.start_mark else 1
            if isinstance(event, DocumentStartEvent):
                self._documents += 1
                if self._documents > 1:
                    self._stop(line, "a second document", "one document")
            elif isinstance(event, MappingEndEvent | SequenceEndEvent):
                self._close()
            elif isinstance(event, AliasEvent):
                self._alias(event, line)
            elif isinstance(event, ScalarEvent):
                self._scalar(event, line)
            elif isinstance(event, MappingStartEvent | SequenceStartEvent):
                self._start(event, line)

    def _stop(self, line: int, what: str, allowed: str) -> None:
        self.problem(line, self._path(), what, allowed)
        raise _StopError

    def _path(self) -> Path:
        parts: list[str | int] = []
        for at in self._open:
            if isinstance(at.node.value, list):
                parts.append(len(at.node.value))
            elif at.key is not None:
                parts.append(at.key)
        return tuple(parts)

    def _count(self, nodes: int, line: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            self._stop(line, "too much, aliases followed", f"at most {MAX_NODES} values")

    def _wants_key(self) -> bool:
        if not self._open:
            return False
        parent = self._open[-1]
        return isinstance(parent.node.value, dict) and parent.key is None

    def _refuse_tag(self, tag: str | None, line: int) -> None:
        if tag is not None and tag != "!":
            self.problem(line, self._path(), f"the tag {display(tag)}", "values without tags")

    def _scalar(self, event: ScalarEvent, line: int) -> None:
        self._refuse_tag(event.tag, line)
        self._count(1, line)
        if self._wants_key():
            self._open[-1].key, self._open[-1].key_line = event.value, line
            return
        is_plain = event.style is None and event.tag is None
        node = Node(plain_scalar(event.value) if is_plain else event.value, line)
        self._remember(event.anchor, node)
        self._put(node)

    def _start(self, event: MappingStartEvent | SequenceStartEvent, line: int) -> None:
        self._refuse_tag(event.tag, line)
        self._count(1, line)
        if self._wants_key():
            self._stop(line, "a list or mapping as a key", "a text")
        if len(self._open) >= MAX_DEPTH:
            self._stop(line, "too many levels", f"at most {MAX_DEPTH}")
        is_mapping = isinstance(event, MappingStartEvent)
        self._open.append(_Open(Node({} if is_mapping else [], line), event.anchor))

    def _close(self) -> None:
        ended = self._open.pop()
        self._remember(ended.anchor, ended.node)
        self._put(ended.node)

    def _alias(self, event: AliasEvent, line: int) -> None:
        target = self._anchors.get(event.anchor or "")
        if target is None:
            self._stop(line, "an alias of nothing that is complete", "an anchor before it")
            return
        if self._wants_key():
            self._stop(line, "an alias as a key", "a text")
        self._count(target.size, line)
        if len(self._open) + _depth(target) > MAX_DEPTH:
            self._stop(line, "too many levels", f"at most {MAX_DEPTH}")
        self._put(Node(target.value, line, target.size))

    def _remember(self, anchor: str | None, node: Node) -> None:
        if anchor is not None:
            self._anchors[anchor] = node

    def _put(self, node: Node) -> None:
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        parent.node.size += node.size
        if isinstance(parent.node.value, list):
            parent.node.value.append(node)
        elif isinstance(parent.node.value, dict) and parent.key is not None:
            self._put_member(parent, parent.node.value, parent.key, node)
            parent.key = None

    def _put_member(self, parent: _Open, members: dict[str, Node], key: str, node: Node) -> None:
        first = members.get(key)
        if first is not None:
            again = f"this key again, first in line {first.line}"
            self.problem(parent.key_line, self._path(), again, "each key once")
            return
        node.line = parent.key_line
        members[key] = node


def _depth(node: Node) -> int:
    if isinstance(node.value, list):
        return 1 + max(map(_depth, node.value), default=0)
    if isinstance(node.value, dict):
        return 1 + max(map(_depth, node.value.values()), default=0)
    return 0
