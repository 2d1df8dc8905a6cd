"""What a schema cannot say: ranges of values with units, and how values fit together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from functools import cache, partial
from ipaddress import IPv6Address
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ..content_rules import REMEDY, missing_libraries
from ..dialects import DEFAULT_DIMENSIONS, DIALECTS, label_key
from ..metrics.catalogue import AIMED, FAMILIES, REQUEST
from ..metrics.labels_and_buckets import LABELS
from .bind import Schema
from .convention_checks import convention_findings
from .document import Node
from .identifying import identifies
from .problems import NO_VARIABLES, Path, Problem, closest, found, names_variable, one_of
from .rule_checks import Finding, endpoint_findings, rule_findings
from .token_checks import source_findings, token_findings
from .units import duration_s, size_bytes
from .validate import line_of
from .written import items_in, mapping_in

Together = Callable[[dict[str, Any]], Iterator[Finding]]
"""Looks at how the values of a document fit together."""

Words = tuple[str, str]
"""What was found, what is allowed."""

_MAX_PORT = 65_535
_LISTENERS: Mapping[Path, str] = {
    ("web", "listen_address"): "localhost:9891",
    ("otlp", "http", "listen_address"): "localhost:4318",
    ("otlp", "grpc", "listen_address"): "localhost:4317",
}
"""Keys of listen addresses, with their defaults."""


def check(
    root: Node,
    value: Any,
    schema: Schema,
    known: Iterable[Path],
    together: Iterable[Together] | None = None,
) -> list[Problem]:
    """What is wrong beyond the schema.

    Args:
        root: The tree that the value comes from, for its lines.
        value: The plain value, without nothings.
        schema: The schema.
        known: Places with a problem already: neither they nor what is around them is looked at.
        together: What looks at how values fit together; None: what belongs to a configuration.
    """
    bad = set(known)
    around = {path[:end] for path in bad for end in range(len(path) + 1)}
    tree = value if isinstance(value, dict) else {}
    findings: list[Finding] = []
    problems: list[Problem] = []
    for path, below, part in _parts(schema, value, (), bad):
        find = _BY_KIND.get(below.get("x-kind", ""))
        if find is not None and path not in around:
            findings += [(path, *words) for words in find(part, below)]
        elif names_variable(part) and not below.get("x-prose"):
            findings.append((path, found(part), f"the value itself: {NO_VARIABLES}"))
        names = _KEYS.get(below.get("x-key-kind", ""))
        if names is not None:
            problems += _unknown_keys(root, path, part, names(tree))
    reported = bad | {finding[0] for finding in findings}
    for find_together in _TOGETHER if together is None else together:
        findings += [finding for finding in find_together(tree) if finding[0] not in reported]
    known_better = {finding[0] for finding in findings}
    return [problem for problem in problems if problem.path not in known_better] + [
        Problem(line_of(root, path), path, what, right) for path, what, right in findings
    ]


def _parts(
    schema: Schema, value: Any, path: Path, bad: set[Path]
) -> Iterator[tuple[Path, Schema, Any]]:
    if path in bad:
        return
    yield path, schema, value
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _parts(schema.get("items", {}), item, (*path, index), bad)
    elif isinstance(value, dict):
        properties = schema.get("properties", {})
        member = schema.get("additionalProperties") or {}
        for key, item in value.items():
            yield from _parts(properties.get(key, member), item, (*path, key), bad)


def _between(read: Callable[[str], float]) -> Callable[[str, Schema], Iterator[Words]]:
    def find(text: str, schema: Schema) -> Iterator[Words]:
        least, most = schema["x-minimum"], schema["x-maximum"]
        if not read(least) <= read(text) <= read(most):
            yield found(text), f"from {least} to {most}"

    return find


def _address(text: str | list[str], _: Schema) -> Iterator[Words]:
    if not isinstance(text, str) or not text:
        return
    host, __, port = text.rpartition(":")
    if int(port) > _MAX_PORT:
        yield found(text), f"a port from 0 to {_MAX_PORT}"
    if host.startswith("["):
        try:
            IPv6Address(host[1:-1])
        except ValueError:
            yield found(text), "an IPv6 address in the brackets"


def _date(text: str, schema: Schema) -> Iterator[Words]:
    if _day(text) is None:
        yield found(text), schema["title"]


def _bounds(bounds: list[float], schema: Schema) -> Iterator[Words]:
    for before, after in pairwise(bounds):
        if after <= before:
            yield f"{after} after {before}", schema["title"]
            return


def _label(label: str, _: Schema) -> Iterator[Words]:
    if label in _reserved_labels():
        yield found(label), "a label name that the metrics do not use themselves"


def _timezone(name: str, schema: Schema) -> Iterator[Words]:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        yield found(name), schema["title"]


_BY_KIND: Mapping[str, Callable[[Any, Schema], Iterator[Words]]] = {
    "duration": _between(duration_s),
    "size": _between(size_bytes),
    "address": _address,
    "date": _date,
    "bounds": _bounds,
    "range": _bounds,
    "label": _label,
    "timezone": _timezone,
}


@cache
def _reserved_labels() -> frozenset[str]:
    families = (family for family in FAMILIES if family.with_dimensions or family.profiles)
    used = {name for family in families for name in family.labels}
    return frozenset(used | {"le", "quantile", "job", "instance"})


def _dialects(tree: dict[str, Any]) -> list[str]:
    own = [item.get("name") for item in items_in(tree, "conventions")]
    return sorted({*(d.name for d in DIALECTS), *(name for name in own if isinstance(name, str))})


def _capped_labels(_: dict[str, Any]) -> list[str]:
    return [label.name for label in LABELS if label.is_open and not label.same_as]


_KEYS: Mapping[str, Callable[[dict[str, Any]], list[str]]] = {
    "dialect": _dialects,
    "capped_label": _capped_labels,
}


def _unknown_keys(root: Node, path: Path, value: Any, names: list[str]) -> Iterator[Problem]:
    for key in value if isinstance(value, dict) else ():
        if key not in names:
            where, suggest = (*path, key), partial(closest, key, names)
            yield Problem(line_of(root, where), where, "an unknown name", one_of(names), suggest)


def _caps(tree: dict[str, Any]) -> Iterator[Finding]:
    labels = dimension_labels(tree)
    for key in mapping_in(mapping_in(tree, "labels"), "caps"):
        if key in labels and key not in _reserved_labels():
            yield ("labels", "caps", key), "the label of a dimension", "its cap in dimensions"


def _dimensions(tree: dict[str, Any]) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for index, item in enumerate(items_in(tree, "dimensions")):
        label = item.get("label")
        if not isinstance(label, str):
            continue
        if item.get("identifying") is not True:
            yield from _identifying(index, label, item.get("keys"))
        if label in seen:
            first = f"this label again, first in dimensions[{seen[label]}]"
            yield ("dimensions", index, "label"), first, "each label once"
        seen.setdefault(label, index)


def _identifying(index: int, label: str, keys: object) -> Iterator[Finding]:
    allowed = (
        "what does not tell one person from others, or identifying: true in this entry: its values "
        "are read by all who read metrics, and kept as long as they are"
    )
    texts = [key for key in keys if isinstance(key, str)] if isinstance(keys, list) else []
    places: list[tuple[Path, str]] = [
        *((("dimensions", index, "keys", at), key) for at, key in enumerate(texts)),
        (("dimensions", index, "label"), label),
    ]
    for path, name in places:
        if identifies(name):
            yield path, f"{found(name)}, which identifies a person", allowed
            return


def _contracts(tree: dict[str, Any]) -> Iterator[Finding]:
    for index, item in enumerate(items_in(mapping_in(tree, "pricing"), "contracts")):
        path: Path = ("pricing", "contracts", index)
        fees = ("usd_per_request", "usd_per_web_search")
        if not item.get("usd_per_million_tokens") and not item.keys() & fees:
            prices = f"usd_per_million_tokens, {', '.join(fees)} or several of them"
            yield path, "a contract without a price", prices
        since, until = _day(item.get("from")), _day(item.get("until"))
        if since and until and until < since:
            yield (*path, "until"), found(item["until"]), f"{since} or a later day"


def _ages(tree: dict[str, Any]) -> Iterator[Finding]:
    wait_s = _seconds(tree.get("decision_wait", "10s"))
    age = mapping_in(tree, "limits").get("trace_age", "1h")
    age_s = _seconds(age)
    if wait_s is not None and age_s is not None and age_s < wait_s:
        given = (
            ("limits", "trace_age")
            if "trace_age" in mapping_in(tree, "limits")
            else ("decision_wait",)
        )
        yield given, f"trace_age {age} below decision_wait", "a trace_age of at least decision_wait"


def _paths(tree: dict[str, Any]) -> Iterator[Finding]:
    path = mapping_in(tree, "web").get("telemetry_path")
    if not isinstance(path, str):
        return
    bare = "/" + path.strip("/")
    if bare in ("/", "/config", "/-") or bare.startswith("/-/"):
        yield ("web", "telemetry_path"), found(path), "a path without another page"


def _listeners(tree: dict[str, Any]) -> Iterator[Finding]:
    given: list[tuple[Path, Any]] = []
    defaults: list[tuple[Path, Any]] = []
    for path, default in _LISTENERS.items():
        section: dict[str, Any] = tree
        for key in path[:-1]:
            section = mapping_in(section, str(key))
        address = section.get(str(path[-1]))
        addresses = address if isinstance(address, list) else [address]
        given += [(path, item) for item in addresses if item is not None]
        defaults += [(path, default)] if address is None else []
    taken: list[tuple[str, str, Path]] = []
    # The defaults come first, so that a clash is told where it is written.
    for path, address in (*defaults, *given):
        host, _, port = address.rpartition(":") if isinstance(address, str) else ("", "", "")
        port = port.lstrip("0")
        if not port:
            continue
        for other_host, other_port, other in taken:
            if port == other_port and path != other and _overlap(host, other_host):
                yield path, f"the address of {'.'.join(map(str, other))}", "an address of its own"
                break
        taken.append((host, port, path))


def _overlap(host: str, other: str) -> bool:
    # No host is every interface; what names resolve to is for the machine to say.
    return host == other or not host or not other


def _verdicts(tree: dict[str, Any]) -> Iterator[Finding]:
    verdict_of: dict[str, str] = {}
    labels = mapping_in(mapping_in(tree, "judges"), "labels")
    for verdict in ("pass", "fail", "error"):
        texts = labels.get(verdict)
        for index, label in enumerate(texts if isinstance(texts, list) else ()):
            if not isinstance(label, str):
                continue
            first = verdict_of.setdefault(label_key(label), verdict)
            if first != verdict:
                path: Path = ("judges", "labels", verdict, index)
                yield path, f"{found(label)} under {first} too", "each label once"


def _objectives(tree: dict[str, Any]) -> Iterator[Finding]:
    labels = dimension_labels(tree)
    seen: dict[object, int] = {}
    for section, own in (("slos", AIMED), ("budgets", REQUEST)):
        allowed = sorted({*own, *labels})
        for index, item in enumerate(items_in(tree, section)):
            match = mapping_in(item, "match")
            for label in match:
                if label not in allowed:
                    path: Path = (section, index, "match", label)
                    yield path, "an unknown label", one_of(allowed)
            what = item.get("name", (item.get("slo"), *sorted(map(str, match.items()))))
            first = seen.setdefault((section, str(what)), index)
            if first != index:
                yield (section, index), f"the same again, first in {section}[{first}]", "each once"


def _ratios(tree: dict[str, Any]) -> Iterator[Finding]:
    for index, item in enumerate(items_in(tree, "slos")):
        slo, target = item.get("slo"), item.get("target")
        is_ratio = isinstance(slo, str) and slo.endswith("_ratio")
        if is_ratio and isinstance(target, int | float) and target > 1:
            yield ("slos", index, "target"), found(target), "a ratio from 0 to 1, so 0.05 for 5 %"


def _details(tree: dict[str, Any]) -> Iterator[Finding]:
    logs = mapping_in(tree, "logs")
    if logs.get("details_services") and logs.get("details", "ignore") == "ignore":
        path: Path = ("logs", "details_services")
        yield path, "services, while logs.details is ignore", "logs.details: count with it"


def dimension_labels(tree: Mapping[str, Any]) -> tuple[str, ...]:
    """Labels of the dimensions that a configuration has."""
    if "dimensions" not in tree:
        return tuple(dimension.label for dimension in DEFAULT_DIMENSIONS)
    labels = (item.get("label") for item in items_in(tree, "dimensions"))
    return tuple(label for label in labels if isinstance(label, str))


def _judge(tree: dict[str, Any]) -> Iterator[Finding]:
    judge = mapping_in(tree, "judge")
    yield from endpoint_findings(mapping_in(judge, "endpoint"))
    yield from rule_findings(judge.get("rules"), ("judge", "rules"), dimension_labels(tree))


def _tokens(tree: dict[str, Any]) -> Iterator[Finding]:
    return token_findings(items_in(mapping_in(tree, "otlp"), "tokens"), dimension_labels(tree))


def _sources(tree: dict[str, Any]) -> Iterator[Finding]:
    return source_findings(items_in(tree, "sources"), dimension_labels(tree))


def _content_rules(tree: dict[str, Any]) -> Iterator[Finding]:
    rules = mapping_in(tree, "content_rules").items()
    shares = {rule: share for rule, share in rules if isinstance(share, int | float) and share > 0}
    for rule, what in missing_libraries(shares):
        yield ("content_rules", rule), what, REMEDY


def _conventions(tree: dict[str, Any]) -> Iterator[Finding]:
    dimensions = [item for item in items_in(tree, "dimensions") if item.get("identifying") is True]
    identifying = [str(item.get("label")) for item in dimensions]
    return convention_findings(items_in(tree, "conventions"), dimension_labels(tree), identifying)


_TOGETHER: tuple[Together, ...] = (
    _caps,
    _dimensions,
    _contracts,
    _ages,
    _paths,
    _listeners,
    _verdicts,
    _objectives,
    _ratios,
    _details,
    _judge,
    _tokens,
    _sources,
    _content_rules,
    _conventions,
)


def _day(text: object) -> date | None:
    try:
        return date.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _seconds(text: object) -> float | None:
    # Not yet known to be a duration: only what the file may say is read as one.
    if not isinstance(text, str) or not text or len(text) > 60:
        return None
    try:
        return duration_s(text)
    except KeyError:
        return None
