"""The configuration page of the docs, written from the schema.

```
python -m llm_trace_exporter.reference.config docs/configuration.md            write the page
python -m llm_trace_exporter.reference.config --check docs/configuration.md    exit 1 if it is stale
```
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from ..config.bind import Schema, load_schema, unbind
from ..config.settings import Settings
from ..config.validate import allowed
from .page import page_command

_INTRODUCTION = """\
# Configuration

One YAML file, given with `--config.file`. Every key has a default, so an empty file is a complete
configuration; `examples/config.yml` shows all of them. This page is written from the JSON Schema
in `exporter/llm_trace_exporter/config/schema.json`:
`python -m llm_trace_exporter.reference.config docs/configuration.md`.

- `llm-trace-exporter check FILE` tells every problem at once, each with its file, line and key,
  what was found, what is allowed and, where something is close, what was probably meant.
- Durations are written as Prometheus writes them: `500ms`, `10s`, `1h30m`, `1d`. A plain number is
  refused, because it does not say its unit; zero is `0s`.
- Sizes have a unit too: `32MiB` (1024) or `10MB` (1000).
- Listen addresses are `host:port`, `[::1]:9891` or `:9891` for every interface. Port 0 takes a
  free port.
- YAML 1.2's words are meant: `true` and `false`, while `yes`, `no` and dates are texts. A key given
  twice, a tag and a merge key (`<<`) are refused. A file holds at most 1 MiB.
- A key or section with nothing after it has its default.
- `NAME` in a key stands for a name of your choice, `[]` for each item of a list.
"""

_LONG = 60


def render_reference() -> str:
    """Return the page as Markdown."""
    return "\n".join(_blocks(load_schema()))


def _blocks(schema: Schema) -> Iterator[str]:
    yield _INTRODUCTION
    properties: Mapping[str, Schema] = schema["properties"]
    single = {key: below for key, below in properties.items() if not _has_parts(below)}
    yield "## Top level\n"
    for key, below in single.items():
        yield _entry(key, below, is_required=False)
    for key, below in properties.items():
        if key not in single:
            yield f"## {key}\n\n{below['description']}\n"
            yield from _own(key, below)
            yield from _parts(key, below)


def _has_parts(schema: Schema) -> bool:
    return next(_parts("", schema), None) is not None


def _own(path: str, schema: Schema) -> Iterator[str]:
    """What a section that is a list or has free names takes and has by default."""
    if "properties" not in schema:
        # The default dimensions belong to the dialects; the schema does not repeat them.
        whole = {"default": unbind(Settings(), load_schema())[path], **schema}
        yield "\n".join(_facts(whole, is_required=False)) + "\n"


def _parts(path: str, schema: Schema) -> Iterator[str]:
    for key, below in schema.get("properties", {}).items():
        yield from _part(f"{path}.{key}", below, is_required=key in schema.get("required", ()))
    member = schema.get("additionalProperties")
    if isinstance(member, dict) and "properties" in member:
        yield from _parts(f"{path}.NAME", member)
    items = schema.get("items", {})
    if "properties" in items:
        yield from _parts(f"{path}[]", items)


def _part(path: str, schema: Schema, *, is_required: bool) -> Iterator[str]:
    if "properties" not in schema:
        yield _entry(path, schema, is_required=is_required)
    yield from _parts(path, schema)


def _entry(path: str, schema: Schema, *, is_required: bool) -> str:
    lines = [f"### `{path}`\n", f"{schema['description']}\n"]
    return "\n".join([*lines, *_facts(schema, is_required=is_required)]) + "\n"


def _facts(schema: Schema, *, is_required: bool) -> Iterator[str]:
    member = schema.get("additionalProperties")
    if isinstance(member, dict) and "properties" not in member:
        yield f"- Allowed: by {schema['propertyNames']['title']}, {allowed(member)}"
    else:
        limits = (
            f", {schema['x-minimum']} to {schema['x-maximum']}" if "x-minimum" in schema else ""
        )
        yield f"- Allowed: {allowed(schema)}{limits}"
    if is_required:
        yield "- Required"
    elif "default" in schema:
        yield f"- Default:{_shown(schema['default'])}"
    if schema.get("examples"):
        yield f"- Example:{_shown(schema['examples'][0])}"


def _shown(value: object) -> str:
    text = json.dumps(value)
    if len(text) <= _LONG or not isinstance(value, list | dict):
        return f" `{text}`"
    block = json.dumps(value, indent=2) if isinstance(value, dict) else _rows(value)
    return "\n\n" + "\n".join(f"  {line}" for line in ["```yaml", *block.splitlines(), "```"])


def _rows(items: list[object]) -> str:
    if not all(isinstance(item, dict | list) for item in items):
        return json.dumps(items)
    return "\n".join(f"- {json.dumps(item)}" for item in items)


def main(arguments: list[str] | None = None) -> int:
    """Write or check the page; return the exit code."""
    return page_command("llm_trace_exporter.reference.config", render_reference, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
