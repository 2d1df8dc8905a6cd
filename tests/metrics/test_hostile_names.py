"""Names from outside, whatever is in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from llm_trace_exporter.model import Origin
from tests.draws import draws


@draws(40)
@given(text=st.text(st.characters(), max_size=200))
def test_no_name_breaks_the_page(new_meter: Callable[..., Any], text: str) -> None:
    meter = new_meter()
    origin = Origin(b"", b"", b"", "span", "", text, text, text, (text,))
    meter.call(
        origin={"service": text, "environment": text, "dimensions": (text,)},
        operation=text,
        request_model=text,
        response_model=text,
        priced={"provider": text, "model": text},
    )
    meter.step("tool", text, guardrail_action="block")
    meter.verdict("fail", judge=text, origin=replace(origin), model=text)
    meter.feedback("negative", origin=origin, source=text, model=text)
    assert meter.families()
    assert meter.total("llm_requests_total") == 1
    assert meter.total("llm_tool_calls_total") == 1
    assert meter.total("llm_judge_verdicts_total") == 1
    assert meter.total("llm_feedback_total") == 1
