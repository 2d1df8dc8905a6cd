"""The vector selectors of a PromQL expression, by its tokens alone.

A scanner and no parser: what surrounds a selector does not matter here, and so functions, operators
and dialects that are newer than this module (MetricsQL, Prometheus' experiments) are no obstacle. A
metric's name is told from other words by three rules: it is no keyword, neither `(` nor `by` or
`without` follow, and it does not stand in the list of labels after `by`, `on` and their like.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
    (?P<comment>\#[^\n]*)
  | (?P<string>"(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | `[^`]*`)
  | (?P<number>0[xX][0-9a-fA-F]+ | (?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+|[a-z]+(?:\d+[a-z]+)*)?)
  | (?P<word>[a-zA-Z_:][a-zA-Z0-9_:.]*)
  | (?P<mark>=~|!~|!=|==|>=|<=|\S)
    """,
    re.VERBOSE | re.DOTALL,
)
_OF_AGGREGATIONS = ("by", "without")
_LISTS = frozenset({*_OF_AGGREGATIONS, "on", "ignoring", "group_left", "group_right"})
_KEYWORDS = _LISTS | {
    *("and", "or", "unless", "offset", "bool", "start", "end", "atan2", "inf", "nan"),
    *("default", "if", "ifnot", "keep_metric_names", "limit"),
}
_OPERATORS = frozenset({"=", "!=", "=~", "!~"})
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


@dataclass(frozen=True, slots=True, order=True)
class Matcher:
    """One condition on a label."""

    label: str
    operator: str
    value: str

    def __str__(self) -> str:
        value = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{self.label}{self.operator}"{value}"'

    @property
    def takes_absent(self) -> bool:
        """Whether a series without the label passes it."""
        if self.operator == "=":
            return not self.value
        if self.operator == "!=":
            return bool(self.value)
        try:
            found = re.fullmatch(self.value, "") is not None
        except re.error:
            return False
        return found == (self.operator == "=~")


@dataclass(frozen=True, slots=True, order=True)
class Selector:
    """What chooses series."""

    name: str
    matchers: tuple[Matcher, ...] = ()

    def __str__(self) -> str:
        inside = ",".join(map(str, self.matchers))
        return f"{self.name}{{{inside}}}" if inside or not self.name else self.name


def selectors(expr: str) -> tuple[Selector, ...]:
    """The different selectors of an expression, sorted; what is no PromQL gives what is there."""
    return tuple(sorted(set(_found([t for t in _tokens(expr) if t[0] != "comment"]))))


def _tokens(expr: str) -> Iterator[tuple[str, str]]:
    for found in _TOKEN.finditer(expr):
        yield found.lastgroup or "", found.group()


def _found(tokens: list[tuple[str, str]]) -> Iterator[Selector]:
    at = 0
    while at < len(tokens):
        kind, text = tokens[at]
        following = tokens[at + 1][1].lower() if at + 1 < len(tokens) else ""
        at += 1
        if kind == "mark" and text == "[":
            at = _after(tokens, at, "]")
        elif kind == "mark" and text == "{":
            matchers, at = _matchers(tokens, at)
            yield _selector("", matchers)
        elif kind == "word" and text.lower() in _LISTS and following == "(":
            at = _after(tokens, at + 1, ")")
        elif kind == "word" and not _is_operator(text, following):
            matchers = []
            if following == "{":
                matchers, at = _matchers(tokens, at + 1)
            yield _selector(text, matchers)


def _is_operator(text: str, following: str) -> bool:
    return text.lower() in _KEYWORDS or following == "(" or following in _OF_AGGREGATIONS


def _after(tokens: list[tuple[str, str]], at: int, end: str) -> int:
    """The place after the next mark `end`."""
    while at < len(tokens) and tokens[at] != ("mark", end):
        at += 1
    return at + 1


def _matchers(tokens: list[tuple[str, str]], at: int) -> tuple[list[Matcher], int]:
    """The conditions up to `}`, and the place after it."""
    stop = _after(tokens, at, "}")
    inside = tokens[at : stop - 1]
    found: list[Matcher] = []
    for number, (_, operator) in enumerate(inside):
        if operator in _OPERATORS and inside[number][0] == "mark" and 0 < number < len(inside) - 1:
            label, value = _text(*inside[number - 1]), _text(*inside[number + 1])
            found.append(Matcher(label, operator, value))
    # {"metric.name", label="x"}: Prometheus 3 writes names so that are no words.
    alone = [
        _text(kind, text)
        for number, (kind, text) in enumerate(inside)
        if kind == "string" and (number == 0 or inside[number - 1][1] == ",")
        and (number + 1 == len(inside) or inside[number + 1][1] == ",")
    ]  # fmt: skip
    return [*found, *(Matcher("__name__", "=", name) for name in alone)], stop


def _selector(name: str, matchers: list[Matcher]) -> Selector:
    named = [m for m in matchers if m.label == "__name__" and m.operator == "="]
    if not name and named:
        name = named[0].value
        matchers = [m for m in matchers if m is not named[0]]
    return Selector(name, tuple(sorted(set(matchers))))


def _text(kind: str, written: str) -> str:
    if kind != "string":
        return written
    if written.startswith("`"):
        return written[1:-1]
    return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), written[1:-1], flags=re.DOTALL)


_INTERVALS = re.compile(r"\$\{?__\w+\}?|\[\[__\w+\]\]")
_VARIABLE = re.compile(r"\$\{?\w+(?::\w+)?\}?|\[\[\w+\]\]")


def of_panel(expr: str) -> tuple[Selector, ...]:
    """The selectors of a Grafana query; conditions on what its variables choose are left out."""
    found = selectors(_INTERVALS.sub("5m", expr))
    return tuple(
        sorted(
            {
                Selector(s.name, tuple(m for m in s.matchers if not _VARIABLE.search(m.value)))
                for s in found
            }
        )
    )
