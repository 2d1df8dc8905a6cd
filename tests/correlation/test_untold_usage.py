"""Of two who tell one request, one may read no usage: only beginning and end speak for it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from llm_trace_exporter.correlation.merge import SLACK_NS, may_be_copies
from llm_trace_exporter.dialects import Context
from llm_trace_exporter.model import LlmCall
from tests.spans import call_of, chat, raw_span, read_span

SECOND_NS = 1_000_000_000
TOLD: LlmCall = replace(
    call_of(read_span(raw_span(chat()), Context())), start_ns=0, end_ns=SECOND_NS, response_id=""
)
UNTOLD: LlmCall = replace(TOLD, tokens=None)


@pytest.mark.parametrize(
    ("start_ns", "end_ns", "is_one"),
    [
        (0, SECOND_NS, True),
        (-SLACK_NS, SECOND_NS + SLACK_NS, True),
        (-SLACK_NS - 1, SECOND_NS, False),
        (0, SECOND_NS + SLACK_NS + 1, False),
    ],
)
def test_both_begin_and_end_together(start_ns: int, end_ns: int, is_one: bool) -> None:
    untold = replace(UNTOLD, start_ns=start_ns, end_ns=end_ns)
    assert may_be_copies(TOLD, untold) is may_be_copies(untold, TOLD) is is_one


def test_both_name_the_model() -> None:
    assert not may_be_copies(TOLD, replace(UNTOLD, request_model="", response_model=""))
    assert not may_be_copies(TOLD, replace(UNTOLD, request_model="m", response_model=""))
