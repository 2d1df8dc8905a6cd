"""Finds the facts out: some hundred small questions, most of them at once."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import yaml

from .asking import CannotAsk, Server, ahead_of
from .facts import Facts, Group, Labels, Missing, Page, Panel, Rule, Target
from .promql import Selector
from .questions import OUR_NAME, OURS, QUESTIONS, TOKENS_BY_SERVICE
from .shapes import curves, exemplars, groups, labels_of, number, samples, strings, targets, unread
from .shipped import read_yaml

# Where Prometheus makes native histograms, exemplars are theirs.
EXEMPLARS_OF = "llm_request_duration_seconds_bucket or llm_request_duration_seconds"
_THREADS = 8
_HOUR_S = 3600.0
_HISTORY_S = 6 * _HOUR_S
_MAX_QUERY = 3500
_OPENMETRICS = "application/openmetrics-text; version=1.0.0, text/plain; q=0.5"
_SAMPLE = re.compile(rb"^([a-zA-Z_:][\w:]*)[{ ]", re.MULTILINE)


def gather(
    server: Server,
    shipped: tuple[Rule, ...],
    panels: tuple[Panel, ...],
    exporter: Server | None = None,
    objects: Mapping[str, tuple[Mapping[str, Any], ...] | Missing] | None = None,
) -> Facts:
    """Ask everything.

    Raises: CannotAsk where the server does not answer at all.
    """
    now_s, ahead_s = _clock(server)
    with ThreadPoolExecutor(_THREADS) as pool:
        started = {
            path: pool.submit(server.ask, path)
            for path in ("status/buildinfo", "status/flags", "status/config", "rules",
                         "alertmanagers")
        }  # fmt: skip
        active = pool.submit(server.ask, "targets", state="active")
        match = {"match[]": f"{{{OURS}}}", "start": now_s - _HOUR_S, "end": now_s}
        names = pool.submit(server.ask, "label/__name__/values", **match)
        labels = pool.submit(server.ask, "labels", **match)
        marked = pool.submit(
            server.ask, "query_exemplars", query=EXEMPLARS_OF, start=now_s - _HOUR_S, end=now_s + 60
        )
        minutes = pool.submit(
            server.ask, "query_range", query=TOKENS_BY_SERVICE,
            start=now_s - _HISTORY_S, end=now_s, step=60,
        )  # fmt: skip
        asked = {
            name: pool.submit(server.ask, "query", query=query) for name, query in QUESTIONS.items()
        }
        answers = {path: future.result() for path, future in started.items()}
        figures = {name: samples(future.result()) for name, future in asked.items()}
        found = _ours(groups(answers["rules"]), shipped)
        build = answers["status/buildinfo"]
        flags = answers["status/flags"]
        flags = flags if isinstance(flags, Missing) else labels_of(flags)
        wanted = {s for p in panels for s in p.selectors}
        if not isinstance(found, Missing):
            wanted |= {s for g in found for r in g.rules for s in r.selectors}
        is_seen = bool(figures["exporters"]) and not isinstance(figures["exporters"], Missing)
        return Facts(
            url=server.url,
            product=_product(build, flags),
            version=str(build.get("version", "")) if isinstance(build, dict) else "",
            now_s=now_s,
            ahead_s=ahead_s,
            flags=flags,
            config=_config(answers["status/config"]),
            targets=targets(active.result(), "activeTargets"),
            dropped=() if is_seen else _dropped(server),
            groups=found,
            alertmanagers=_alertmanagers(answers["alertmanagers"]),
            names=strings(names.result()),
            label_names=strings(labels.result()),
            figures=figures,
            exemplars=exemplars(marked.result()),
            counts=_counts(server, pool, wanted) if is_seen else {},
            shipped=shipped,
            panels=panels,
            curves=curves(minutes.result()),
            page=_page(exporter) if exporter is not None else None,
            objects=objects or {},
        )


def _clock(server: Server) -> tuple[float, float]:
    before_s = time.time()
    data = server.first("time()")
    after_s = time.time()
    result = data.get("result") if isinstance(data, dict) else None
    now_s = number(result[1]) if isinstance(result, list) and len(result) == 2 else 0.0
    if not now_s:
        raise CannotAsk(f"{server.url}: does not tell the time when asked for time()")
    # The answer's time is of somewhere between the two.
    return now_s, 0.0 if before_s <= now_s <= after_s else now_s - (before_s + after_s) / 2


def _product(build: Any, flags: Labels | Missing) -> str:
    application = str(build.get("application", "")) if isinstance(build, dict) else ""
    is_prometheus = not isinstance(flags, Missing) and "config.file" in flags
    return application or ("Prometheus" if is_prometheus else "")


def _config(data: Any) -> Mapping[str, Any] | Missing:
    if isinstance(data, Missing):
        return data
    text = data.get("yaml") if isinstance(data, dict) else None
    if not isinstance(text, str):
        return Missing("no configuration in the answer")
    try:
        tree = read_yaml(text)
    except (yaml.YAMLError, RecursionError):
        return Missing("its configuration is no YAML")
    return tree if isinstance(tree, dict) else Missing("its configuration is empty")


def _alertmanagers(data: Any) -> int | Missing:
    if isinstance(data, Missing):
        return data
    active = data.get("activeAlertmanagers") if isinstance(data, dict) else None
    return len(active) if isinstance(active, list) else Missing("no Alertmanagers in the answer")


def _dropped(server: Server) -> tuple[Target, ...] | Missing:
    """Many where Kubernetes is watched, so they are asked only when there is something to find."""
    return targets(server.ask("targets", state="dropped"), "droppedTargets")


def _ours(
    found: tuple[Group, ...] | Missing, shipped: tuple[Rule, ...]
) -> tuple[Group, ...] | Missing:
    """Groups with a rule of ours: by its name, or because it selects what the exporter makes."""
    if isinstance(found, Missing):
        return found
    names = {rule.name for rule in shipped}

    def is_ours(rule: Rule) -> bool:
        return rule.name in names or any(OUR_NAME.fullmatch(s.name) for s in rule.selectors)

    return tuple(group for group in found if any(map(is_ours, group.rules)))


def _counts(
    server: Server, pool: ThreadPoolExecutor, wanted: Iterable[Selector]
) -> Mapping[Selector, int]:
    """Series of each selector; of what has none, also of the name and of each condition alone."""
    counts: dict[Selector, int] = {}

    def ask(which: Iterable[Selector]) -> None:
        for batch in pool.map(partial(_count, server), _batches(set(which) - counts.keys())):
            counts.update(batch)

    wanted = frozenset(wanted)
    ask(wanted)
    empty = {s for s in wanted if counts.get(s) == 0 and s.name}
    ask(Selector(s.name) for s in empty)
    present = {s for s in empty if counts.get(Selector(s.name))}
    ask(Selector(s.name, (matcher,)) for s in present for matcher in s.matchers)
    return counts


def _batches(which: Iterable[Selector]) -> Iterator[list[Selector]]:
    """Some selectors at a time: few questions, none longer than what proxies let through."""
    batch: list[Selector] = []
    size = 0
    for selector in sorted(which):
        length = len(_counted(selector, 0))
        if batch and size + length > _MAX_QUERY:
            yield batch
            batch, size = [], 0
        batch.append(selector)
        size += length
    if batch:
        yield batch


def _counted(selector: Selector, number: int) -> str:
    return f'label_replace(count({selector}),"at","{number}","","")'


def _count(server: Server, batch: list[Selector]) -> dict[Selector, int]:
    """Series of each; of one that the server cannot count, nothing."""
    query = " or ".join(_counted(selector, number) for number, selector in enumerate(batch))
    found = samples(server.ask("query", query=query))
    if isinstance(found, Missing):
        # One that is too large, or not understood, must not hide the others.
        alone = [_count(server, [selector]) for selector in batch] if len(batch) > 1 else []
        return {selector: count for by_selector in alone for selector, count in by_selector.items()}
    counts = {sample.labels.get("at", ""): int(sample.value) for sample in found}
    return {selector: counts.get(str(number), 0) for number, selector in enumerate(batch)}


def _page(exporter: Server) -> Page:
    try:
        before_s = time.time()
        status, body, headers = exporter.fetch("", {}, accept=_OPENMETRICS)
        own_s = (before_s + time.time()) / 2
    except OSError as error:
        raise CannotAsk(f"{exporter.url}: cannot be reached: {error}") from error
    if status != 200:
        raise CannotAsk(f"{exporter.url}: answered with HTTP status {status}")
    names = frozenset(name.decode() for name in set(_SAMPLE.findall(body)))
    if "llm_exporter_build_info" not in names:
        raise CannotAsk(f"{exporter.url}: these are not the exporter's metrics; /metrics of it?")
    return Page(
        url=exporter.url,
        content_type=headers.get("content-type", ""),
        names=names,
        ahead_s=ahead_of(headers, own_s),
        unread=unread(exporter.beside("-/not-understood")),
    )
