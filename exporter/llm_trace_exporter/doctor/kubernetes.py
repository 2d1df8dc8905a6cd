"""Checks of the Prometheus operator's objects: who selects whom, and who selects nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .facts import Facts, Labels, Missing
from .findings import TAKE_OFF, Finding, count, ok
from .shapes import items, labels_of

Object = Mapping[str, Any]

NAME = "app.kubernetes.io/name"
OURS = "llm-trace-exporter"
_PORT = 9891


@dataclass(frozen=True, slots=True)
class _Kind:
    """How the operator's Prometheus chooses objects of a kind."""

    resource: str
    name: str
    selector: str
    namespaces: str
    value: str
    """Of the chart, for the labels."""


_MONITORS = (
    _Kind("servicemonitors", "ServiceMonitor", "serviceMonitorSelector",
          "serviceMonitorNamespaceSelector", "serviceMonitor.labels"),
    _Kind("podmonitors", "PodMonitor", "podMonitorSelector", "podMonitorNamespaceSelector",
          "serviceMonitor.labels"),
)  # fmt: skip
_RULES = _Kind("prometheusrules", "PrometheusRule", "ruleSelector", "ruleNamespaceSelector",
               "prometheusRule.labels")  # fmt: skip


def monitors(facts: Facts) -> Iterator[Finding]:
    """Whether monitors find the exporter, and a Prometheus the monitors."""
    if not facts.objects:
        return
    yield from _missing(facts)
    services = [s for s in _all(facts, "services") if _is_our_service(s)]
    pods = _all(facts, "pods")
    if not services and not pods:
        yield Finding(
            "problem",
            "the cluster has no Service or pod of the exporter",
            why=f"none has the label {NAME}={OURS} or the port {_PORT}",
            do="install the chart (docs/install.md), or ask the right cluster",
        )
        return
    found = [
        (kind, monitor, chosen)
        for kind, things in zip(_MONITORS, (services, pods), strict=True)
        for monitor in _all(facts, kind.resource)
        if (chosen := _chosen(monitor, things)) or _labels(monitor).get(NAME) == OURS
    ]
    if not found and any(_all(facts, kind) for kind in ("prometheuses", "agents")):
        yield Finding(
            "problem",
            "no ServiceMonitor and no PodMonitor selects the exporter",
            do="set serviceMonitor.enabled=true of the chart",
            where=tuple(map(_title, services)),
        )
    for kind, monitor, chosen in found:
        yield from _selected(facts, kind, monitor)
        if not chosen:
            yield _selects_nothing(kind, monitor, services if kind is _MONITORS[0] else pods)
        elif kind is _MONITORS[0]:
            yield from _ports(facts, monitor, chosen)


def rules(facts: Facts) -> Iterator[Finding]:
    """Whether a Prometheus takes the rules."""
    if not facts.objects:
        return
    names = {rule.name for rule in facts.shipped if rule.is_alert}
    found = [
        one
        for one in _all(facts, _RULES.resource)
        if any(
            r.get("alert") in names for g in items(_spec(one), "groups") for r in items(g, "rules")
        )
    ]
    for one in found:
        yield from _selected(facts, _RULES, one)
    if not found and _all(facts, "prometheuses"):
        yield Finding(
            "warning",
            "no PrometheusRule holds the exporter's alerts",
            do="set prometheusRule.enabled=true of the chart",
        )


def _missing(facts: Facts) -> Iterator[Finding]:
    reasons: dict[str, list[str]] = {}
    for resource, answer in facts.objects.items():
        if isinstance(answer, Missing):
            reasons.setdefault(answer.reason, []).append(resource)
    for reason, resources in reasons.items():
        yield Finding("note", f"{', '.join(resources)} not available: {reason}")


def _selected(facts: Facts, kind: _Kind, one: Object) -> Iterator[Finding]:
    """Whether some Prometheus chooses an object; else what each of them lacks."""
    servers = (*_all(facts, "prometheuses"), *_all(facts, "agents"))
    if not servers:
        return
    refusals = {_title(server): _refusal(facts, kind, one, server) for server in servers}
    if chosen := [name for name, refusal in refusals.items() if not refusal]:
        yield ok(f"{kind.name} {_title(one)} is selected by Prometheus {', '.join(chosen)}")
        return
    label = next((found for s in servers for found in [_wanted(_spec(s), kind)] if found), "")
    change = f"kubectl --namespace {_namespace(one)} label {kind.name.lower()} {_name(one)} {label}"
    yield Finding(
        "problem",
        f"{kind.name} {_title(one)} is selected by no Prometheus",
        why="; ".join(f"{name} {refusal}" for name, refusal in refusals.items()),
        do=f"{change}, or {kind.value} of the chart"
        if label
        else "change the selectors of the Prometheus object, or the namespace",
        where=(f"its labels: {_shown(_labels(one))}",),
    )


def _refusal(facts: Facts, kind: _Kind, one: Object, server: Object) -> str:
    """Why a Prometheus does not choose an object; empty: it does."""
    spec = _spec(server)
    selector = spec.get(kind.selector)
    if not isinstance(selector, dict):
        return f"has no {kind.selector}, so it selects none"
    if not matches(selector, _labels(one)):
        return f"selects {_words(selector)}"
    namespaces, namespace = spec.get(kind.namespaces), _namespace(one)
    if not isinstance(namespaces, dict):
        own = _namespace(server)
        return "" if namespace == own else f"looks into its own namespace {own} only"
    if not namespaces:
        return ""
    found = [n for n in _all(facts, "namespaces") if _name(n) == namespace]
    # Every namespace has this label, and where none is told the name alone may do.
    labels = {"kubernetes.io/metadata.name": namespace, **(_labels(found[0]) if found else {})}
    return "" if matches(namespaces, labels) else f"looks into namespaces with {_words(namespaces)}"


def _wanted(spec: Object, kind: _Kind) -> str:
    """Labels that a selector asks for, as kubectl takes them."""
    selector = spec.get(kind.selector)
    wanted = labels_of(selector.get("matchLabels")) if isinstance(selector, dict) else {}
    return " ".join(f"{k}={v}" for k, v in wanted.items())


def _selects_nothing(kind: _Kind, monitor: Object, things: list[Object]) -> Finding:
    return Finding(
        "problem",
        f"{kind.name} {_title(monitor)} selects nothing",
        why=f"it looks for {_words(_spec(monitor).get('selector') or {})} in "
        f"{_places(monitor)}; of the exporter there is "
        + ", ".join(f"{_title(thing)} with {_shown(_labels(thing))}" for thing in things[:3]),
        do="correct its selector and namespaceSelector",
    )


def _ports(facts: Facts, monitor: Object, services: list[Object]) -> Iterator[Finding]:
    """Whether the ports that a ServiceMonitor names are there, and answered by somebody."""
    backing = [sorted(labels_of(_spec(s).get("selector")).items()) for s in services]
    if any(backing.count(one) > 1 for one in backing):
        yield Finding(
            "problem",
            f"ServiceMonitor {_title(monitor)} selects {len(services)} Services of the same pods",
            why="each pod is scraped as often, and every number counts as often",
            do="select one of them: the chart's has app.kubernetes.io/component=receiver",
            where=tuple(map(_title, services)),
        )
    for endpoint in items(_spec(monitor), "endpoints"):
        port = endpoint.get("port")
        for service in services:
            names = [str(p.get("name", "")) for p in items(_spec(service), "ports")]
            if port and port not in names:
                yield Finding(
                    "problem",
                    f"ServiceMonitor {_title(monitor)} wants a port that Service "
                    f"{_title(service)} does not have: {port}",
                    why=f"its ports are {', '.join(names)}",
                    do="name the port of /metrics, which is http-metrics in the chart",
                )
        if not _spares_service(endpoint):
            yield Finding(
                "problem",
                f"ServiceMonitor {_title(monitor)} leaves the target's label service on",
                why="the Service's name fills the exporter's where it is empty on purpose"
                if endpoint.get("honorLabels")
                else "the exporter's becomes exported_service: rules see one service",
                do=TAKE_OFF,
            )
    if isinstance(facts.objects.get("slices"), Missing):
        return
    for service in services:
        if not _ready(facts, service):
            yield Finding(
                "problem",
                f"Service {_title(service)} has no ready endpoint",
                why="no pod of the exporter is ready, or the Service's selector finds none",
                do=f"kubectl --namespace {_namespace(service)} get pods --selector={NAME}={OURS}",
            )
    ready = sum(_ready(facts, service) for service in services)
    if ready:
        yield ok(f"ServiceMonitor {_title(monitor)} finds {count(ready, 'ready endpoint')}")
    if len(facts.exporters) < ready:
        yield Finding(
            "warning",
            f"{count(ready, 'endpoint')} ready, and {count(len(facts.exporters), 'exporter')} seen",
            why="this server scrapes another cluster or has not found them yet, or a NetworkPolicy "
            "keeps it away",
            do="look at the scrapes above, and at networkPolicy of the chart",
        )


def _spares_service(endpoint: Object) -> bool:
    """Whether relabelling takes the target's label `service` away."""
    return any(
        (str(step.get("action", "")).lower() == "labeldrop" and step.get("regex") == "service")
        or step.get("targetLabel") == "service"
        for step in items(endpoint, "relabelings")
    )


def _ready(facts: Facts, service: Object) -> int:
    return sum(
        (endpoint.get("conditions") or {}).get("ready") is not False
        for part in _all(facts, "slices")
        if _namespace(part) == _namespace(service)
        and _labels(part).get("kubernetes.io/service-name") == _name(service)
        for endpoint in items(part, "endpoints")
    )


def _chosen(monitor: Object, things: list[Object]) -> list[Object]:
    """Services or pods that a monitor selects."""
    spec = _spec(monitor)
    selector, places = spec.get("selector"), spec.get("namespaceSelector")
    places = places if isinstance(places, dict) else {}
    named = places.get("matchNames") or [_namespace(monitor)]
    return [
        thing
        for thing in things
        if isinstance(selector, dict)
        and matches(selector, _labels(thing))
        and (places.get("any") is True or _namespace(thing) in named)
    ]


def _places(monitor: Object) -> str:
    places = _spec(monitor).get("namespaceSelector")
    places = places if isinstance(places, dict) else {}
    if places.get("any") is True:
        return "all namespaces"
    return ", ".join(map(str, places.get("matchNames") or [_namespace(monitor)]))


_OPERATORS: Mapping[str, Callable[[str | None, list[str]], bool]] = {
    "In": lambda value, values: value in values,
    "NotIn": lambda value, values: value not in values,
    "Exists": lambda value, _: value is not None,
    "DoesNotExist": lambda value, _: value is None,
}


def matches(selector: Object, labels: Labels) -> bool:
    """Whether a label selector of Kubernetes takes these labels; an empty one takes all."""
    wanted = labels_of(selector.get("matchLabels"))
    if any(labels.get(name) != value for name, value in wanted.items()):
        return False
    for condition in items(selector, "matchExpressions"):
        test = _OPERATORS.get(str(condition.get("operator")))
        values = condition.get("values")
        values = [str(v) for v in values] if isinstance(values, list) else []
        if test is None or not test(labels.get(str(condition.get("key"))), values):
            return False
    return True


def _is_our_service(service: Object) -> bool:
    ports = [p.get("port") for p in items(_spec(service), "ports")]
    labels = _labels(service)
    is_receiver = labels.get("app.kubernetes.io/component", "receiver") == "receiver"
    return _PORT in ports or (labels.get(NAME) == OURS and is_receiver)


def _all(facts: Facts, resource: str) -> list[Object]:
    found = facts.objects.get(resource, ())
    return [] if isinstance(found, Missing) else list(found)


def _words(selector: Object) -> str:
    parts = [f"{k}={v}" for k, v in labels_of(selector.get("matchLabels")).items()]
    for condition in items(selector, "matchExpressions"):
        values = condition.get("values")
        listed = f" ({', '.join(map(str, values))})" if isinstance(values, list) else ""
        parts.append(f"{condition.get('key')} {condition.get('operator')}{listed}")
    return ", ".join(parts) or "everything"


def _shown(labels: Labels) -> str:
    return ", ".join(f"{k}={v}" for k, v in sorted(labels.items())) or "none"


def _meta(one: Object) -> Object:
    found = one.get("metadata")
    return found if isinstance(found, dict) else {}


def _spec(one: Object) -> Object:
    found = one.get("spec")
    return found if isinstance(found, dict) else {}


def _labels(one: Object) -> Labels:
    return labels_of(_meta(one).get("labels"))


def _name(one: Object) -> str:
    return str(_meta(one).get("name", ""))


def _namespace(one: Object) -> str:
    return str(_meta(one).get("namespace", ""))


def _title(one: Object) -> str:
    return f"{_namespace(one)}/{_name(one)}"
