"""One question asked of a model: how it ended, what it cost and what it says."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ..content.record import CallContent
from ..model import LlmCall, Origin, RunOutcome, Subject, Verdict, VerdictValue
from ..settled import PricedCall
from .client import AskFailed, Client
from .parse import Completion, parse_answer
from .prompt import Limits, messages
from .rules import Rule

Price = Callable[[LlmCall], float | None]
"""US dollars of one of the judge's own calls; None where it has no price."""

DIALECT = "judge"
"""Under this name the judge's own records are filed."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One question and its end."""

    outcome: RunOutcome
    seconds: float = 0.0
    is_pass: bool | None = None
    """None where there is no answer."""
    evidence: str = field(default="", repr=False)
    """For the eyes of whoever asked, never kept."""
    cost_usd: float | None = 0.0
    """None where there was a cost and it is not known."""
    reason: str = ""
    """Why it failed; nothing of request or response."""

    @property
    def verdict(self) -> VerdictValue | None:
        """What is told of it; None where nothing was asked."""
        if self.outcome in ("skipped", "no_text"):
            return None
        if self.is_pass is None:
            return "error"
        return "pass" if self.is_pass else "fail"


def ask(
    client: Client,
    rule: Rule,
    exchange: CallContent,
    price: Price,
    limits: Limits,
    stop: threading.Event | None = None,
    *,
    is_reversed: bool = False,
) -> Answered:
    """Ask a rule's question about an exchange; never raises for what the other side does."""
    started_s = time.monotonic()
    started_ns = time.time_ns()
    try:
        chat = messages(rule, exchange, limits, is_reversed=is_reversed)
        completion = client.ask(chat, stop)
    except AskFailed as failed:
        seconds = time.monotonic() - started_s
        outcome: RunOutcome = "skipped" if failed.kind == "stopped" else failed.kind
        return Answered(outcome, seconds, reason=str(failed))
    seconds = time.monotonic() - started_s
    cost_usd = price(_own_call(client, completion, started_ns))
    answer = parse_answer(completion.content) if completion.is_whole else None
    if answer is None:
        reason = "no verdict in the answer" if completion.is_whole else "the answer is cut off"
        return Answered("unparseable", seconds, cost_usd=cost_usd, reason=reason)
    is_pass = answer.verdict == rule.passes_when
    return Answered("ok", seconds, is_pass, answer.evidence, cost_usd)


def verdict_of(rule: Rule, call: PricedCall, value: VerdictValue, time_ns: int) -> Verdict:
    """The record of a result: about the judged call, under its labels."""
    judged = call.call
    origin = judged.origin
    return Verdict(
        origin=Origin(
            trace_id=origin.trace_id,
            span_id=origin.span_id,
            parent_span_id=b"",
            signal="log",
            dialect=DIALECT,
            scope="",
            service=origin.service,
            environment=origin.environment,
            dimensions=origin.dimensions,
        ),
        time_ns=time_ns,
        judge=rule.name,
        kind="llm",
        verdict=value,
        model=call.model,
        target_end_ns=judged.end_ns,
        response_id=judged.response_id,
        subject=Subject(
            service=origin.service,
            environment=origin.environment,
            dimensions=origin.dimensions,
            provider=judged.provider,
            request_model=judged.request_model,
            response_model=judged.response_model,
            service_tier=judged.service_tier,
        ),
    )


def _own_call(client: Client, completion: Completion, started_ns: int) -> LlmCall:
    """The judge's own call, to be priced like any other; it is never counted as one."""
    endpoint = client.endpoint
    return LlmCall(
        origin=Origin(b"", b"", b"", "log", DIALECT, "", "", "", ()),
        start_ns=started_ns,
        end_ns=time.time_ns(),
        operation="chat",
        provider=endpoint.provider,
        request_model=endpoint.model,
        response_model=completion.model,
        tokens=completion.tokens,
        reported_cost=completion.reported_cost,
        purpose="judge",
    )
