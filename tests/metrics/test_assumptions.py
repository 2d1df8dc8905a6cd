"""What prices rest on, and tokens that nothing explains, in their families."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llm_trace_exporter.model import Tokens
from llm_trace_exporter.settled import CostLine, PricedCall
from tests.metrics.conftest import CALL

NewMeter = Callable[..., Any]
CALLS, USD = "llm_price_assumptions_total", "llm_assumed_cost_usd_total"
PRICED: dict[str, Any] = {
    "cost": (CostLine("input", "list", 0.5), CostLine("cache_write", "list", 0.25)),
    "assumptions": (("region", 0.75), ("cache_lifetime", 0.25)),
}


def by(meter: Any, name: str, *labels: str) -> dict[tuple[str, ...], float]:
    found = ((dict(key), value) for key, value in meter.samples(name).items())
    return {tuple(key.get(label, "") for label in labels): value for key, value in found}


def test_calls_and_dollars_are_counted_by_assumption_and_weight(new_meter: NewMeter) -> None:
    meter = new_meter()
    meter.call(priced=PRICED, weight=4)
    meter.call(priced={**PRICED, "assumptions": ()})
    assert by(meter, CALLS, "assumption") == {("region",): 4, ("cache_lifetime",): 4}
    assert by(meter, USD, "assumption") == {("region",): 3, ("cache_lifetime",): 1}
    assert meter.total("llm_cost_usd_total") == 3.75


def test_they_have_the_labels_of_the_calls_dollars(new_meter: NewMeter) -> None:
    meter = new_meter()
    meter.call(priced=PRICED, purpose="judge")
    (spent, *_) = meter.samples("llm_cost_usd_total", type="input")
    for name in (CALLS, USD):
        (found,) = meter.samples(name, assumption="region")
        own = {"assumption"}
        assert dict(found).keys() - own == dict(spent).keys() - {"type", "cost_source"}
        assert {k: v for k, v in found if k not in own}.items() <= dict(spent).items()


def test_usage_that_comes_late_brings_its_assumptions(new_meter: NewMeter) -> None:
    meter = new_meter()
    before = PricedCall(CALL, CALL.provider, CALL.model, unpriced="no_usage")
    meter.call(priced={"unpriced": "no_usage"})
    with meter.store.lock:
        after = PricedCall(CALL, CALL.provider, CALL.model, **PRICED)
        meter.recorder.late_usage(before, after, is_first=True)
    assert by(meter, CALLS, "assumption") == {("region",): 1, ("cache_lifetime",): 1}


def test_unexplained_tokens_have_a_reason_of_their_own(new_meter: NewMeter) -> None:
    meter = new_meter()
    meter.call(tokens=Tokens(5, unexplained=7), priced={"unpriced_tokens": (("unexplained", 7),)})
    assert by(meter, "llm_unpriced_tokens_total", "reason", "type") == {
        ("unexplained", "unexplained"): 7
    }
    assert meter.samples("llm_unpriced_requests_total") == {}
    # They are tokens of no type: the plain sum of the types stays the truth.
    assert meter.total("llm_tokens_total") == 5
    both = {"unpriced": "unknown_model", "unpriced_tokens": (("input", 5), ("unexplained", 7))}
    meter.call(tokens=Tokens(5, unexplained=7), priced=both)
    assert by(meter, "llm_unpriced_tokens_total", "reason", "type") == {
        ("unexplained", "unexplained"): 14,
        ("unknown_model", "input"): 5,
    }
