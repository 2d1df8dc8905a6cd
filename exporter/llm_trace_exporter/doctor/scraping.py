"""Checks of the server and of how it scrapes exporters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ..config.units import format_duration
from ..metrics.catalogue import FAMILIES, FAMILY
from ..metrics.store import StoreOptions
from .facts import Facts, Missing, Target
from .findings import TAKE_OFF, Finding, count, ok
from .why import exporter_jobs

_OLDEST = (2, 42)
_ZERO_HOLD_S = StoreOptions().zero_hold_s
_NEARLY = 0.8
_LONGEST_INTERVAL_S = 120.0
"""Rules look at five minutes, and a rate needs two samples with room for one that is lost."""
_PORT = re.compile(r":9891\b")
_NAME = re.compile(r"llm[-_.]?trace[-_.]?exporter", re.IGNORECASE)

_OURS = frozenset(label for family in FAMILIES for label in family.labels)
"""Labels that rules and dashboards tell things apart by."""

_BUILD_INFO = frozenset(FAMILY["llm_exporter_build_info"].labels)

_ERRORS: tuple[tuple[str, str], ...] = (
    ("connection refused", "nothing listens there: the exporter's metrics are on port 9891 of "
     "localhost unless --web.listen-address says otherwise, 4317 and 4318 are for traces"),
    ("no such host", "the name cannot be resolved from where Prometheus runs"),
    ("no route to host", "the address cannot be reached from where Prometheus runs"),
    ("deadline exceeded", "no answer within scrape_timeout: look for a firewall or NetworkPolicy, "
     "or raise scrape_timeout where the page is large"),
    ("HTTP response to HTTPS client", "the exporter speaks http there: scheme: http"),
    ("malformed HTTP response", "the exporter speaks https there: scheme: https"),
    ("status 400", "the exporter speaks https there, or a proxy refuses the request"),
    ("status 401", "the exporter asks for a user: basic_auth, or authorization, of the scrape job"),
    ("status 403", "the exporter or a proxy before it lets Prometheus not in"),
    ("status 404", "wrong path or port: metrics_path is /metrics, the port 9891; "
     "4318 takes traces"),
    ("status 405", "wrong port: 4318 takes traces, metrics are on 9891"),
    ("status 503", "the exporter is starting, or a proxy before it has nobody behind it"),
    ("x509", "the certificate is not trusted: ca_file and server_name in tls_config of the job"),
    ("tls:", "TLS fails: tls_config of the job, and the exporter's --web.config.file"),
    ("sample limit", "raise sample_limit, or let labels of the exporter have less values"),
    ("label_limit", "raise label_limit of the job"),
    ("label_value_length_limit", "raise label_value_length_limit of the job"),
    ("body size limit", "raise body_size_limit of the job"),
    ("unsupported Content-Type", "what answers there is no exporter"),
)  # fmt: skip
"""A part of a scrape's error -> what it means here."""


def server(facts: Facts) -> Iterator[Finding]:
    """Whether the rules can run there."""
    name = facts.product or "a server with Prometheus' API"
    version = re.match(r"(\d+)\.(\d+)", facts.version)
    product = f"{name} {facts.version}".strip()
    if facts.product == "Prometheus" and version and tuple(map(int, version.groups())) < _OLDEST:
        yield Finding(
            "problem",
            f"{product} is too old for the rules",
            why="they use functions and keep_firing_for of Prometheus 2.42",
            do="update Prometheus",
        )
    else:
        yield ok(f"{product} answers")


def scraped(facts: Facts) -> Iterator[Finding]:
    """Which exporters are seen, and why none or one is not."""
    targets = facts.targets
    if facts.exporters:
        versions = sorted({s.labels.get("version", "?") for s in facts.exporters})
        yield ok(
            f"{count(len(facts.exporters), 'exporter')} seen, version {', '.join(versions)}",
            tuple(f"{instance} ({job})" for job, instance in _sources(facts)),
        )
    else:
        yield from _not_seen(facts)
    if isinstance(targets, Missing):
        yield Finding(
            "note",
            f"targets are not available here: {targets.reason}",
            do="ask the Prometheus that scrapes, too",
        )
        return
    sources = set(_sources(facts))
    for target in targets:
        is_ours = target.source in sources or looks_like_ours(target)
        if is_ours and target.health == "down":
            yield Finding(
                "problem",
                f"the scrape of {target.url} fails: {target.error}",
                why=_meaning(target.error),
                do="correct the scrape job; then ask again",
                where=(f"job {target.pool}",),
            )
        elif is_ours and target.source not in sources and target.health == "up":
            yield Finding(
                "problem",
                f"{target.url} is scraped and shows no llm_exporter_build_info",
                why="something else answers there, or metric_relabel_configs drop it",
                do="point the job at /metrics on port 9891",
                where=(f"job {target.pool}",),
            )


def _not_seen(facts: Facts) -> Iterator[Finding]:
    answer = facts.figures.get("exporters")
    if isinstance(answer, Missing):
        yield Finding("problem", f"series cannot be asked for: {answer.reason}")
        return
    targets = () if isinstance(facts.targets, Missing) else facts.targets
    dropped = () if isinstance(facts.dropped, Missing) else facts.dropped
    gone = [target for target in dropped if looks_like_ours(target)]
    failing = [target for target in targets if target.health == "down"]
    known = [t for t in targets if looks_like_ours(t)]
    if gone:
        why = "relabel_configs drop targets that look like it"
        where = tuple(f"{_address(t)} (job {t.pool})" for t in gone)
    elif known:
        why, where = "its target does not deliver", ()
    elif failing:
        why = "no target looks like it; one of those that fail may be meant"
        where = tuple(f"{t.url} (job {t.pool}): {t.error}" for t in failing)
    elif targets:
        why = "no target looks like it"
        where = tuple(f"{t.url} (job {t.pool})" for t in targets)
    else:
        why, where = "this server has no targets", ()
    yield Finding(
        "problem",
        "no exporter is seen: there is no llm_exporter_build_info",
        why=why,
        where=where,
        do="add a scrape job for the exporter's port 9891, or its ServiceMonitor (docs/install.md)",
    )


def looks_like_ours(target: Target) -> bool:
    """By its port, or by a name somewhere in what was discovered."""
    texts = (*target.discovered.values(), *target.labels.values(), target.url, target.pool)
    return any(_PORT.search(text) or _NAME.search(text) for text in texts)


def _meaning(error: str) -> str:
    return next((text for part, text in _ERRORS if part.lower() in error.lower()), "")


def _address(target: Target) -> str:
    return target.discovered.get("__address__", target.url)


def _sources(facts: Facts) -> list[tuple[str, str]]:
    return sorted(sample.source for sample in facts.exporters)


def _ours(facts: Facts) -> list[Target]:
    targets = () if isinstance(facts.targets, Missing) else facts.targets
    sources = set(_sources(facts))
    return [target for target in targets if target.source in sources]


def timing(facts: Facts) -> Iterator[Finding]:
    """Interval and duration of scrapes."""
    well: list[Target] = []
    for target in _ours(facts):
        found = _mistimed(target)
        if found is None:
            well.append(target)
        else:
            yield found
    if well:
        slowest = max(well, key=lambda target: target.duration_s)
        intervals = sorted({target.interval_s for target in well})
        every = ", ".join(map(format_duration, intervals))
        yield ok(f"scraped every {every}; the slowest takes {_takes(slowest)}")


def _mistimed(target: Target) -> Finding | None:
    every, where = format_duration(target.interval_s), (f"{target.url} (job {target.pool})",)
    if target.timeout_s and target.duration_s > 0.5 * target.timeout_s:
        return Finding(
            "warning",
            f"a scrape takes {_takes(target)}",
            why="one that takes longer than scrape_timeout is lost whole",
            do="raise scrape_timeout, or give labels less values (`cardinality` tells which)",
            where=where,
        )
    if target.interval_s > _LONGEST_INTERVAL_S:
        return Finding(
            "problem",
            f"scraped every {every}",
            why="rules look at windows of five minutes, which then hold too few samples, and the "
            "first counts of new series are lost",
            do=f"scrape at least every {format_duration(_LONGEST_INTERVAL_S)}",
            where=where,
        )
    if target.interval_s >= _ZERO_HOLD_S:
        return Finding(
            "problem",
            f"scraped every {every}, which is longer than the default zero_hold",
            why="new series show 0 for zero_hold; a first count that is not scraped as 0 is lost",
            do="scrape every 15s, or set zero_hold above the interval in the exporter's "
            "configuration",
            where=where,
        )
    return None


def _takes(target: Target) -> str:
    return f"{target.duration_s:.2f}s of {format_duration(target.timeout_s)}"


def limits(facts: Facts) -> Iterator[Finding]:
    """Whether a scrape is near the limit at which it is refused whole."""
    allowed = {
        job.get("job_name"): int(job["sample_limit"])
        for job in exporter_jobs(facts)
        if isinstance(job.get("sample_limit"), int) and job["sample_limit"] > 0
    }
    pools = {target.source: target.pool for target in _ours(facts)}
    for sample in facts.asked("samples"):
        limit = allowed.get(pools.get(sample.source, ""))
        if limit and sample.value > _NEARLY * limit:
            yield Finding(
                "warning",
                f"a scrape has {sample.value:.0f} samples of the {limit} that it may have",
                why="above sample_limit the whole scrape is refused",
                do="raise sample_limit (serviceMonitor.sampleLimit of the chart), or give labels "
                "less values (`cardinality` tells which)",
                where=(f"{sample.source[1]} (job {sample.source[0]})",),
            )


def labels(facts: Facts) -> Iterator[Finding]:
    """Labels of ours that the scrape took for its own."""
    names = facts.label_names
    if isinstance(names, Missing):
        yield Finding("note", f"labels are not available here: {names.reason}")
        return
    taken = sorted(n.removeprefix("exported_") for n in names if n.startswith("exported_"))
    if taken:
        yield Finding(
            "problem" if _OURS & set(taken) else "warning",
            f"the scrape's own {_and(taken)} hides the exporter's, which became "
            + _and([f"exported_{label}" for label in taken]),
            why="the scrape job sets these labels, too (a ServiceMonitor sets `service`): rules "
            "and dashboards add up what they should tell apart",
            do=TAKE_OFF,
            where=tuple(f"{s.source[1]} (job {s.source[0]})" for s in facts.asked("hidden")),
        )
        return
    filled = sorted(_OURS & {n for s in facts.exporters for n in s.labels} - _BUILD_INFO)
    if filled:
        yield Finding(
            "problem" if "service" in filled else "warning",
            f"the scrape fills {_and(filled)} wherever the exporter leaves it empty",
            why="honor_labels keeps ours only where it has a value: totals and targets for all, "
            "which have none on purpose, become those of the scrape's",
            do=TAKE_OFF,
            where=tuple(
                f"{s.source[1]} (job {s.source[0]})"
                for s in facts.exporters
                if not s.labels.keys().isdisjoint(filled)
            ),
        )
    elif facts.exporters:
        yield ok("no label of the exporter is hidden by one of the scrape")


def dropped(facts: Facts) -> Iterator[Finding]:
    """Relabelling that takes something of ours away."""
    for job in exporter_jobs(facts):
        steps = job.get("metric_relabel_configs")
        touching = [s for s in steps if _touches(s)] if isinstance(steps, list) else []
        for step in touching:
            yield Finding(
                "warning",
                f"metric_relabel_configs {_said(step)}",
                why="rules and panels that need it stay silent",
                do="leave the exporter's out",
                where=(f"job {job.get('job_name')}",),
            )


def _touches(step: Any) -> bool:
    if not isinstance(step, dict):
        return False
    action, regex = str(step.get("action", "")).lower(), str(step.get("regex", "(.*)"))
    try:
        pattern = re.compile(regex)
    except re.error:
        return False
    names = [name for family in FAMILIES for name in family.sample_names if not family.profiles]
    if step.get("source_labels") == ["__name__"] and action in {"drop", "keep"}:
        hit = [bool(pattern.fullmatch(name)) for name in names]
        return any(hit) if action == "drop" else not all(hit)
    ours = _OURS | {"le"}
    if action in {"labeldrop", "labelkeep"}:
        hit = [bool(pattern.fullmatch(label)) for label in ours]
        return any(hit) if action == "labeldrop" else not all(hit)
    return False


def _said(step: dict[str, Any]) -> str:
    action = str(step.get("action", "")).lower()
    verbs = {
        "drop": "drop metrics of the exporter:",
        "keep": "keep only some metrics:",
        "labeldrop": "drop labels of the exporter:",
        "labelkeep": "keep only some labels:",
    }
    return f"{verbs[action]} {step.get('regex')}"


def exemplars(facts: Facts) -> Iterator[Finding]:
    """Whether a dot on a panel can lead to its trace."""
    if facts.page is not None and "openmetrics" not in facts.page.content_type:
        yield Finding(
            "warning",
            f"{facts.page.url} does not answer with OpenMetrics",
            why="a proxy between takes the Accept header away; no exemplars without it",
            do="let Accept through",
        )
    found = facts.exemplars
    if not isinstance(found, Missing) and found:
        yield ok(f"exemplars arrive: {len(found)} of the last hour lead to their traces")
        return
    do = "start Prometheus with --enable-feature=exemplar-storage (enableFeatures of the operator)"
    if not isinstance(facts.flags, Missing) and facts.product == "Prometheus":
        features = facts.flags.get("enable-feature", "").split(",")
        if "exemplar-storage" not in features:
            yield Finding(
                "warning",
                "exemplars are not kept",
                why="Prometheus runs without the feature exemplar-storage",
                do=do,
            )
            return
    if isinstance(found, Missing):
        yield Finding("note", f"exemplars are not available here: {found.reason}")
        return
    lacking = [job for job in exporter_jobs(facts) if not _speaks_openmetrics(job, facts)]
    if lacking:
        yield Finding(
            "warning",
            "the scrape asks for the old text format, without exemplars",
            do="leave OpenMetricsText1.0.0 in scrape_protocols",
            where=tuple(f"job {job.get('job_name')}" for job in lacking),
        )
    elif sum(s.value for s in facts.asked("calls")) > 0:
        yield Finding(
            "note",
            "no exemplar has arrived within the last hour",
            why="no call with a trace was counted since, or a proxy takes the Accept header away",
        )


def _speaks_openmetrics(job: Any, facts: Facts) -> bool:
    settings = {} if isinstance(facts.config, Missing) else facts.config.get("global") or {}
    protocols = job.get("scrape_protocols") or settings.get("scrape_protocols")
    return not isinstance(protocols, list) or any("OpenMetrics" in str(name) for name in protocols)


def _and(words: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
