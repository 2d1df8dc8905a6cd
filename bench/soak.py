"""Two million spans of names that come and go, over every protocol, into a real process.

A tenth of the label values is new in every round and silent ever after, so series expire all the
while. Memory and the state file must not grow once every table is full: both are read after each
quarter. What is counted must be what was sent.
"""

from __future__ import annotations

import re
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bench.effort import Effort
from bench.payloads import SERVICES, Shape, as_json, request
from bench.processes import Process, exporter
from bench.senders import JSON, PROTOCOLS, send_all
from bench.table import Row

SPANS = 2_000_000
SPANS_AT_ONCE = 500
QUARTERS = 4
IDLE_S = 10.0
GROWTH_MB = 25.0
"""What the allocator may still take once every table is full."""
TIMES_LIVE = 2.0
"""How large the state file may be, against its content without gaps."""

_BATCH = 40
_NAMED_ALIKE = 8
"""Requests whose new names are the same."""
_SETTLE_S = 120.0
_LOOKS, _LOOK_S = 20, 0.25
_RECEIVED = "llm_exporter_spans_received_total"
_MARK = b"\xf1MARKED\xf2"
"""Stands for the first half of trace ids."""
_NAME = b"churning"


@dataclass(frozen=True, slots=True)
class Soaked:
    """What was seen."""

    spans: int
    took_s: float
    counted: float
    """Spans taken in, as the exporter tells."""
    resident_mb: tuple[float, ...]
    """After each quarter, the least in some seconds."""
    state_mb: tuple[float, ...]
    """Likewise, of the state file."""
    live_mb: float
    """What the state file takes without gaps, at the end."""

    @property
    def growth_mb(self) -> float:
        """Resident memory after the last quarter, over that after the second."""
        return self.resident_mb[-1] - self.resident_mb[1]

    @property
    def times_live(self) -> float:
        """The state file at the end, in multiples of its content without gaps."""
        return self.state_mb[-1] / self.live_mb


def measure(_: Effort, folder: Path) -> list[Row]:
    """Rows for the whole of it."""
    found = soak(folder, SPANS)
    group = f"soak: {found.spans:,} spans over HTTP protobuf, HTTP JSON and gRPC"
    return [
        Row(group, "spans a second, sender beside it", "spans/s", "higher",
            found.spans / found.took_s),
        *(Row(group, f"resident after quarter {n}", "MB", "lower", mb)
          for n, mb in enumerate(found.resident_mb, 1)),
        Row(group, "growth after half of it", "MB", "lower", found.growth_mb, None, GROWTH_MB),
        *(Row(group, f"state file after quarter {n}", "MB", "lower", mb)
          for n, mb in enumerate(found.state_mb, 1)),
        Row(group, "state file, times its content", "times", "lower", found.times_live, None,
            TIMES_LIVE),
    ]  # fmt: skip


def soak(folder: Path, spans: int) -> Soaked:
    """Send that many spans; a quarter is rounded up to whole requests."""
    path = folder / "soak.db"
    config = (
        f"decision_wait: 1s\nseries: {{idle_expiry: {IDLE_S:.0f}s}}\n"
        f"traces: {{idle_timeout: 2s}}\nstate: {{path: '{path}'}}\n"
    )
    resident_mb: list[float] = []
    state_mb: list[float] = []
    templates = Templates()
    sent = 0
    with exporter(folder, config) as process:
        started_s = time.perf_counter()
        for _ in range(QUARTERS):
            wanted = sent + spans // QUARTERS
            while sent < wanted:
                sent += _round(process, templates, sent // (_BATCH * SPANS_AT_ONCE))
            resident_mb.append(_resident_mb(process))
            state_mb.append(_size_mb(path))
        took_s = time.perf_counter() - started_s - QUARTERS * _LOOKS * _LOOK_S
        counted = _received(process, sent)
        # What was silent expires, and a checkpoint says so.
        time.sleep(IDLE_S + 35)
        state_mb[-1] = _size_mb(path)
    return Soaked(
        sent, took_s, counted, tuple(resident_mb), tuple(state_mb), _live_mb(folder, path)
    )


def _received(process: Process, sent: int) -> float:
    """Spans taken in, once they are as many as were sent."""
    end_s = time.monotonic() + _SETTLE_S
    while True:
        page = process.scrape().decode()
        found = sum(map(float, re.findall(rf"^{_RECEIVED}{{[^}}]*}} (\S+)$", page, re.MULTILINE)))
        if found >= sent or time.monotonic() > end_s:
            return found
        time.sleep(0.2)


def _resident_mb(process: Process) -> float:
    """What stays: a checkpoint under way takes more, for as long as it is."""
    found = []
    for _ in range(_LOOKS):
        found.append(process.resident_mb)
        time.sleep(_LOOK_S)
    return min(found)


def _size_mb(path: Path) -> float:
    files = path.parent.glob(f"{path.name}*")
    return sum(file.stat().st_size for file in files) / 1e6


def _live_mb(folder: Path, path: Path) -> float:
    """What the same content takes in a file without gaps."""
    compact = folder / "compact.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("VACUUM INTO ?", (str(compact),))
    return compact.stat().st_size / 1e6


def _round(process: Process, templates: Templates, number: int) -> int:
    """Send a batch over one of the protocols; how many spans that were."""
    protocol = PROTOCOLS[number % len(PROTOCOLS)]
    bodies = [
        templates.body(protocol, number * _BATCH + at, (number * _BATCH + at) // _NAMED_ALIKE)
        for at in range(_BATCH)
    ]
    send_all(protocol, process.address, bodies)
    return _BATCH * SPANS_AT_ONCE


class Templates:
    """A request of each service in each protocol; what makes one its own is put in by bytes."""

    def __init__(self) -> None:
        """Make them; they are of now."""
        messages = [_marked(seed) for seed in range(len(SERVICES))]
        binary = [message.SerializeToString() for message in messages]
        self._bodies = dict.fromkeys(PROTOCOLS, binary)
        self._bodies[JSON] = [as_json(body) for body in binary]

    def body(self, protocol: str, number: int, name: int) -> bytes:
        """A request with trace ids that no other number has, and a name of its own."""
        body = self._bodies[protocol][number % len(SERVICES)]
        own = (number + 1).to_bytes(8, "big")
        old, new = (_MARK.hex(), own.hex()) if protocol == JSON else ("", "")
        body = body.replace(old.encode(), new.encode()) if old else body.replace(_MARK, own)
        return body.replace(_NAME, b"%08d" % name)


def _marked(seed: int) -> ExportTraceServiceRequest:
    shape = Shape(spans=SPANS_AT_ONCE, attributes=10, content_bytes=0)
    message = ExportTraceServiceRequest.FromString(request(seed, shape, now_ns=time.time_ns()))
    traces: dict[bytes, int] = {}
    for scope in message.resource_spans[0].scope_spans:
        for span in scope.spans:
            number = traces.setdefault(span.trace_id, len(traces))
            span.trace_id = _MARK + number.to_bytes(8, "big")
            # An id of a response that comes again would be the same call.
            kept = [a for a in span.attributes if a.key not in ("gen_ai.response.id", "feature")]
            del span.attributes[:]
            span.attributes.extend(kept)
            feature = _NAME.decode() if number % 10 == 0 else f"feature-{number % 10}"
            span.attributes.add(key="feature").value.string_value = feature
    return message
