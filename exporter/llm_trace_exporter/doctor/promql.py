"""The vector selectors of a PromQL expression, by its tokens alone.

A scanner and no parser: what surrounds a selector does not matter here, and so functions, operators
and dialects that are newer than this module (MetricsQL, Prometheus' experiments) are no obstacle. A
metric's name is told from other words by three rules: it is no keyword, neither `(` nor `by` or
`without` follow, and it does not stand in the list of labels after `by`, `on` and their like.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
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
_SETS = frozenset({"and", "or", "unless"})
_ABSENT = frozenset({"absent", "absent_over_time"})
_DEEPEST = 100
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


Need = tuple[tuple["Selector | Need", ...], ...]
"""What an expression needs: one of several lists, each of which it needs as a whole.

`a or b + c` is `((a,), (b, c))`; what may be missing without harm has an empty list beside it.
"""


def needs(expr: str) -> Need:
    """What has to have series for an expression to have a result.

    `or` binds least in PromQL, then `and` and `unless`, so a scanner that counts parentheses sees
    where their sides end. Of `unless` the right side may be missing, and so may what `absent` asks.
    """
    return _Reader([t for t in _tokens(expr) if t[0] != "comment"]).need()


def selectors(*all_needed: Need) -> tuple[Selector, ...]:
    """The different selectors of what is needed, sorted."""
    return tuple(sorted(set(_flat(all_needed))))


def _flat(all_needed: Iterable[Need]) -> Iterator[Selector]:
    for need in all_needed:
        for together in need:
            for item in together:
                if isinstance(item, Selector):
                    yield item
                else:
                    yield from _flat((item,))


def _tokens(expr: str) -> Iterator[tuple[str, str]]:
    for found in _TOKEN.finditer(expr):
        yield found.lastgroup or "", found.group()


class _Side:
    """One argument of a function, or what stands in one pair of parentheses."""

    def __init__(self) -> None:
        self.alternatives: list[tuple[Selector | Need, ...]] = []
        self.items: list[Selector | Need] = []
        self.is_optional = False

    def add(self, item: Selector | Need, *, is_optional: bool = False) -> None:
        self.items.append(((item,), ()) if is_optional or self.is_optional else item)

    def meet(self, operator: str) -> None:
        if operator == "or":
            self.alternatives.append(tuple(self.items))
            self.items = []
        self.is_optional = operator == "unless"

    def closed(self) -> Need:
        return (*self.alternatives, tuple(self.items))


class _Reader:
    """Goes over the tokens of an expression once."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def need(self) -> Need:
        """Up to the parenthesis that ends it."""
        arguments: list[Need] = []
        side = _Side()
        while self._at < len(self._tokens):
            kind, text = self._tokens[self._at]
            self._at += 1
            if text == ")":
                break
            if text == ",":
                arguments.append(side.closed())
                side = _Side()
            elif text == "[":
                self._at = _after(self._tokens, self._at, "]")
            elif kind == "word":
                self._word(text, side)
            elif text == "(":
                side.add(self._inside())
            elif text == "{":
                side.add(_selector("", self._conditions()))
        if not arguments:
            return side.closed()
        return ((*arguments, side.closed()),)

    def _word(self, text: str, side: _Side) -> None:
        word = text.lower()
        following = self._tokens[self._at][1].lower() if self._at < len(self._tokens) else ""
        if word in _SETS:
            side.meet(word)
        elif word in _LISTS and following == "(":
            self._at = _after(self._tokens, self._at + 1, ")")
        elif word in _ABSENT and following == "(":
            self._at += 1
            side.add(self._inside(), is_optional=True)
        elif not _is_operator(text, following):
            matchers: list[Matcher] = []
            if following == "{":
                self._at += 1
                matchers = self._conditions()
            side.add(_selector(text, matchers))

    def _inside(self) -> Need:
        # Nobody writes so deep by hand, and Python's stack ends somewhere.
        self._depth += 1
        if self._depth > _DEEPEST:
            self._at = len(self._tokens)
            return ()
        found = self.need()
        self._depth -= 1
        return found

    def _conditions(self) -> list[Matcher]:
        found, self._at = _matchers(self._tokens, self._at)
        return found


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


def of_panel(expr: str) -> Need:
    """What a Grafana query needs; conditions on what its variables choose are left out."""
    return _without_variables(needs(_INTERVALS.sub("5m", expr)))


def _without_variables(need: Need) -> Need:
    return tuple(
        tuple(
            Selector(i.name, tuple(m for m in i.matchers if not _VARIABLE.search(m.value)))
            if isinstance(i, Selector)
            else _without_variables(i)
            for i in together
        )
        for together in need
    )
