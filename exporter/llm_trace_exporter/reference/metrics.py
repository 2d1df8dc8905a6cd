"""The reference page of the docs, written from the catalogue.

```
python -m llm_trace_exporter.reference.metrics docs/metrics.md            write the page
python -m llm_trace_exporter.reference.metrics --check docs/metrics.md    exit 1 if it is stale
```
"""

from __future__ import annotations

from collections.abc import Iterator

from ..metrics.catalogue import FAMILIES
from ..metrics.family import Family
from ..metrics.labels_and_buckets import BUCKETS, LABEL, LABELS
from .page import page_command

_INTRODUCTION = """\
# Metrics

Every family on `/metrics`, with its labels and a query to start from. This page is written from
the catalogue in the code: `python -m llm_trace_exporter.reference.metrics docs/metrics.md`.

- Units are seconds, tokens, US dollars, bytes and ratios from 0 to 1. Counters end in `_total`.
- *dimensions* stands for the labels of your own `dimensions` in the configuration.
- A label whose value is empty is absent: match that with `label=""`.
- Labels from outside (*capped* below) hold a limited number of distinct values; what comes after
  is `other`, counted in `llm_exporter_label_overflow_total`. A family that is full shows `other`
  for all of them. Sums stay right in both cases.
- A new series is 0 for its first `zero_hold`, then shows its value, so that `rate` and `increase`
  see its first increment. Label sets that belong together, such as all verdicts of a judge, are
  born together.
- A series that nothing updates for `series.idle_expiry` is dropped and restarts from 0 when it
  returns. The exporter's own series stay.
- With head sampling, one record counts for as many as it stands for. Counters then have
  fractions; bucket counts are rounded to whole numbers.
- OpenMetrics carries exemplars (`trace_id`, `span_id`) on the families marked so. Their time is
  the time of counting. On `llm_judge_verdicts_total` only failed verdicts carry them.
"""

_SECTIONS = {
    "Requests": "One LLM call counts once, whoever instrumented it.",
    "Steps": "Pipeline steps that are not LLM calls; they have neither tokens nor cost.",
    "Traces": "Whole traces, when they are complete: what one question to an application took.",
    "Quality": "Verdicts of judges and feedback of end users.",
    "Targets": "What is aimed at: rules and panels have no numbers of their own.",
    "Profiles": "The same calls once more, under names that other dashboards query: with "
    "`compat: [semconv]` those of OpenTelemetry's GenAI client metrics, with `compat: [openlit]` "
    'those of OpenLIT, marked `telemetry_sdk_name="openlit"`. Off by default. They have buckets '
    "of their own and so are counted on their own: each starts from 0 when its profile is "
    "switched on, is dropped when it is switched off, and survives restarts in between. Sums are "
    "those of the `llm_` families.",
    "Exporter": "The exporter about itself.",
}


def render_reference() -> str:
    """Return the page as Markdown."""
    return "\n".join(_blocks()) + "\n"


def _blocks() -> Iterator[str]:
    yield _INTRODUCTION
    for section, text in _SECTIONS.items():
        yield f"## {section}\n\n{text}\n"
        for family in FAMILIES:
            if family.section == section:
                yield _family(family)
    yield _labels()
    yield _buckets()


def _family(family: Family) -> str:
    labels = [f"`{name}`" for name in family.labels]
    if family.with_dimensions:
        labels.append("*dimensions*")
    facts = [
        family.type,
        f"unit {family.unit}" if family.unit else "",
        f"[{family.buckets}](#buckets) buckets" if family.buckets else "",
        "exemplars" if family.exemplars else "",
        f"with `compat: {' or '.join(family.profiles)}`" if family.profiles else "",
    ]
    lines = [f"### `{family.name}`\n", f"{family.help}\n", f"- Type: {_joined(facts)}"]
    lines.append(f"- Labels: {_joined(labels) or 'none'}")
    if family.reasons:
        lines.append(f"- `reason`: {_joined([f'`{r}`' for r in family.reasons])}")
    if family.absent_when:
        lines.append(f"- Absent: {family.absent_when}")
    return "\n".join(lines) + f"\n\n```promql\n{family.query}\n```\n"


def _joined(parts: list[str]) -> str:
    return ", ".join(part for part in parts if part)


def _labels() -> str:
    used = {name for family in FAMILIES for name in family.labels}
    rows = ["## Labels\n", "| label | meaning | values |", "|---|---|---|"]
    for label in (label for label in LABELS if label.name in used):
        values = (
            "capped" if LABEL[label.name].is_open else _joined([f"`{v}`" for v in label.values])
        )
        rows.append(f"| `{label.name}` | {label.help} | {values} |")
    return "\n".join(rows) + "\n"


def _buckets() -> str:
    rows = [
        "## Buckets\n",
        "Upper bounds; `+Inf` follows. `buckets` in the configuration replaces any of them but "
        "those that a convention prescribes (`semconv_*`).\n",
        "| kind | bounds |",
        "|---|---|",
    ]
    rows += [f"| `{kind}` | {' '.join(map(repr, b))} |" for kind, b in BUCKETS.items()]
    return "\n".join(rows)


def main(arguments: list[str] | None = None) -> int:
    """Write or check the page; return the exit code."""
    return page_command("llm_trace_exporter.reference.metrics", render_reference, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
