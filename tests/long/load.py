"""Several senders that behave as OTLP says, and what must hold of them at any time."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import grpc
import requests
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.e2e.process import Exporter
from tests.e2e.wire import to_otlp_json
from tests.facts import Samples
from tests.ledger import Ledger, Scrapes, Told
from tests.telling import LABELS, Reporter

__all__ = ["LABELS", "Load"]

AGAIN = 0.15
"""Share of acknowledged requests that are sent again all the same."""
PAUSE_S = 0.002
MESSAGES: dict[str, Any] = {"traces": ExportTraceServiceRequest, "logs": ExportLogsServiceRequest}
SERVICES = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
}
# What OTLP asks senders to send again; a call that a server's end cuts off is cancelled.
ASKED_AGAIN = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.CANCELLED,
)


class At(NamedTuple):
    """Where a process listens: base URL, and host:port."""

    http: str
    grpc: str


class Load:
    """Senders that go on until told to stop; what is under way is then brought home."""

    def __init__(self, seed: int = 0, *, simple: bool = False) -> None:
        """Nothing is sent before `start`.

        Args:
            seed: Determines what is sent.
            simple: Only calls, each told once: what is counted then does not depend on what is
                remembered, and is looked at by sender, as others may send as well.
        """
        self._simple = simple
        self.refused = 0
        """Requests that were asked to come again."""
        self._at = At("", "")
        self._stop = threading.Event()
        self._failures: list[BaseException] = []
        self._scrapes = Scrapes()
        self._ledgers = {protocol: Ledger() for protocol in PROTOCOLS}
        self._threads = [
            threading.Thread(target=self._guarded, args=(protocol, seed)) for protocol in PROTOCOLS
        ]

    @property
    def facts(self) -> int:
        """How many different things were acknowledged so far."""
        return sum(map(len, self._ledgers.values()))

    def send_to(self, exporter: Exporter) -> None:
        """Send to this process from now on."""
        # A later process of the same folder overwrites what tells its addresses.
        self._at = At(exporter.http, exporter.grpc)

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()
        assert not self._failures, self._failures

    def _guarded(self, protocol: str, seed: int) -> None:
        try:
            self._send(protocol, seed)
        except BaseException as error:
            self._failures.append(error)

    def _send(self, protocol: str, seed: int) -> None:
        chance = random.Random(seed)
        reporter, ledger = Reporter(seed, _name(protocol)), self._ledgers[protocol]
        told: list[Told] = []
        while not self._stop.is_set():
            if self._simple:
                one = reporter.calls(5)
            elif told and chance.random() < AGAIN:
                one = chance.choice(told[-100:])
            else:
                one = reporter.next()
            self._deliver(protocol, one, told)
            time.sleep(PAUSE_S)
        for half in reporter.rest():
            self._deliver(protocol, half, told)
        assert len(ledger)

    def _deliver(self, protocol: str, one: Told, told: list[Told]) -> None:
        while not self._acknowledged(protocol, one):
            time.sleep(0.01)
        self._ledgers[protocol].acknowledged(one)
        told.append(one)

    def _acknowledged(self, protocol: str, told: Told) -> bool:
        send = PROTOCOLS[protocol] if told.signal in MESSAGES else _score
        try:
            taken = send(self._at, told)
        except requests.RequestException:
            self._ledgers[protocol].unanswered(told)
            return False
        self.refused += not taken
        return taken

    def check_monotone(self, at: Samples, *, relabelled: bool = False) -> None:
        """No counter of what was received goes backwards, over restarts too."""
        fallen = self._scrapes.look(at, relabelled=relabelled)
        assert not fallen, fallen

    def check_counted(self, exporter: Exporter) -> None:
        """What was acknowledged is counted once; call it after `finish`."""
        end = time.monotonic() + 60
        while wrong := self._differences(exporter.metrics()):
            assert time.monotonic() < end, wrong
            time.sleep(0.2)
        time.sleep(1)
        assert self._differences(exporter.metrics()) == []

    def _differences(self, at: Samples) -> list[str]:
        if self._simple:
            each = self._ledgers.items()
            return [w for protocol, one in each for w in one.differences(at, _name(protocol))]
        ledger = Ledger()
        for one in self._ledgers.values():
            ledger.add(one)
        return ledger.differences(at)


def _name(protocol: str) -> str:
    return f"sender-{protocol}"


def _protobuf(at: At, told: Told) -> bool:
    return _posted(at, f"/v1/{told.signal}", told.body, "application/x-protobuf")


def _json(at: At, told: Told) -> bool:
    body = to_otlp_json(MESSAGES[told.signal].FromString(told.body))
    return _posted(at, f"/v1/{told.signal}", body, "application/json")


def _score(at: At, told: Told) -> bool:
    return _posted(at, told.signal, told.body, "application/json")


def _posted(at: At, path: str, body: bytes, media_type: str) -> bool:
    answer = requests.post(
        at.http + path, data=body, headers={"Content-Type": media_type}, timeout=10
    )
    return _is_taken(answer)


def _is_taken(answer: requests.Response) -> bool:
    assert answer.status_code in (200, 503), answer.text
    if answer.status_code == 503:
        assert int(answer.headers["Retry-After"]) >= 1
    return answer.status_code == 200


def _grpc(at: At, told: Told) -> bool:
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(at.grpc, options=options) as channel:
        export = channel.unary_unary(SERVICES[told.signal], bytes, bytes)
        try:
            export(told.body, timeout=10)
        except grpc.RpcError as error:
            if error.code() not in (*ASKED_AGAIN, grpc.StatusCode.DEADLINE_EXCEEDED):
                raise
            # It may have been taken in before the answer was lost.
            raise requests.ConnectionError from error
    return True


PROTOCOLS: dict[str, Callable[[At, Told], bool]] = {
    "protobuf": _protobuf,
    "json": _json,
    "grpc": _grpc,
}
