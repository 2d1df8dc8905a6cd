"""Services that tell the same calls are found, and others are not, however alike they are."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_trace_exporter.doctor.facts import Curve, Missing, Sample
from llm_trace_exporter.doctor.findings import Finding
from llm_trace_exporter.doctor.promql import needs, selectors
from llm_trace_exporter.doctor.questions import TOKENS_BY_SERVICE
from llm_trace_exporter.doctor.shapes import curves
from llm_trace_exporter.doctor.twins import gateways, totals_of
from llm_trace_exporter.doctor.why import FAMILY_OF
from tests.doctor.facts import NOW_S, SOURCE, facts
from tests.doctor.worlds import ask
from tests.draws import draws
from tests.e2e.process import LONGEST_S
from tests.e2e.prometheus import holding

MINUTES = 90
Call = tuple[float, int]
"""Minute, tokens."""


def calls(seed: int, a_minute: float, *, steady: bool = False) -> list[Call]:
    """Calls at random times, with sizes as of real ones."""
    draw = Random(seed)
    number = round(a_minute * MINUTES)
    spread = 0.0 if steady else 0.7
    return [
        (draw.uniform(1, MINUTES - 1), int(draw.lognormvariate(6, spread)) + 1)
        for _ in range(number)
    ]


def told(made: list[Call], delay: Callable[[], float] = lambda: 0.0) -> list[float]:
    """The counter at each minute, of calls that come late."""
    arrived = [(at + delay(), tokens) for at, tokens in made]
    return [float(sum(n for at, n in arrived if at <= now)) for now in range(MINUTES)]


def curve(service: str, values: list[float], **labels: str) -> Curve:
    points = tuple((NOW_S + 60 * at, value) for at, value in enumerate(values))
    return Curve({**SOURCE, "service": service, **labels}, points)


def found(*told_of: Curve, **figures: tuple[Sample, ...]) -> list[Finding]:
    return list(gateways(facts(figures, curves=told_of)))


def warned(*told_of: Curve) -> list[tuple[str, ...]]:
    return [finding.where for finding in found(*told_of) if finding.level == "warning"]


@given(st.integers(0, 10**6), st.sampled_from([2, 10, 40]), st.sampled_from([0.0, 0.1, 0.2]))
@draws(40)
def test_a_gateway_that_tells_its_clients_calls(seed: int, a_minute: int, late: float) -> None:
    """Also where both come in batches of their own, so that calls fall into other minutes."""
    made, late_by = calls(seed, a_minute), Random(seed)
    gateway = curve("gateway", told(made, lambda: late_by.uniform(0, late)))
    other = curve("other", told(calls(seed + 1, a_minute)))
    assert ("gateway", "shop") in warned(curve("shop", told(made)), gateway, other)


@given(st.integers(0, 10**6), st.sampled_from([2, 10, 40]), st.sampled_from([-1.0, 1.0]))
@draws(40)
def test_a_gateway_that_is_scraped_a_minute_apart(seed: int, a_minute: int, by: float) -> None:
    made = calls(seed, a_minute)
    assert warned(curve("shop", told(made)), curve("gw", told(made, lambda: by)))


def test_services_that_keep_together_for_most_of_the_time_only() -> None:
    shared, own = calls(1, 10), [call for call in calls(2, 5) if call[0] > MINUTES - 20]
    assert not warned(curve("a", told(shared)), curve("b", told(shared + own)))


@given(st.integers(0, 10**6), st.sampled_from([0.5, 2, 10, 100]), st.booleans())
@draws(100, derandomize=True)
def test_services_of_their_own(seed: int, a_minute: float, steady: bool) -> None:
    """Even with as many calls of the same sizes, none is taken for another."""
    three = (told(calls(seed + n, a_minute, steady=steady)) for n in (0, 1, 2))
    assert not warned(*(curve(f"s{n}", values) for n, values in enumerate(three)))


@pytest.mark.parametrize("calls_a_minute", [0, 1, 30])
def test_the_same_steady_traffic_tells_nothing(calls_a_minute: int) -> None:
    values = [500.0 * calls_a_minute * at for at in range(MINUTES)]
    assert not warned(curve("a", values), curve("b", values))


def test_too_little_was_seen_to_say_anything() -> None:
    values = told(calls(1, 10))[:59]
    assert found(curve("a", values), curve("b", values)) != []
    assert not warned(curve("a", values), curve("b", values))
    assert found(curve("a", values[:20]), curve("b", values[:20])) == []


def test_a_gateway_of_several_applications() -> None:
    shop, bot = calls(1, 5), calls(2, 9)
    three = curve("shop", told(shop)), curve("bot", told(bot)), curve("gw", told(shop + bot))
    (finding,) = found(*three)
    assert (finding.level, finding.where) == ("warning", ("gw",))
    assert "gateways: [gw]" in finding.do


def test_what_is_said() -> None:
    values = told(calls(1, 10))
    (finding,) = found(curve("shop", values), curve("", values, exported_service="gw"))
    assert finding.where == ("gw", "shop")
    assert "gateways: [gw] or gateways: [shop]" in finding.do


def test_what_was_before_the_configuration_is_over() -> None:
    twins = [curve(name, told(calls(1, 10))) for name in ("gw", "shop")]
    configured = Sample(SOURCE, NOW_S + 60 * 50)
    assert found(*twins, configured=(configured,)) == []


def test_services_that_differ_are_said_to() -> None:
    (finding,) = found(curve("a", told(calls(1, 10))), curve("b", told(calls(2, 10))))
    assert finding.level == "ok"
    assert list(gateways(facts(curves=Missing("no such API")))) == []


def test_many_pairs_are_not_told_endlessly() -> None:
    values = told(calls(1, 10))
    assert len(warned(*(curve(f"s{n}", values) for n in range(9)))) == 10


def test_counters_that_start_anew_and_exporters_that_share_a_service() -> None:
    one, other = curve("a", [5, 7, 2, 3]), curve("a", [1, 1, 1, 4], instance="b")
    assert totals_of([one, other], 0) == {"a": (0, 2, 4, 8)}
    assert totals_of([one, other], NOW_S + 60) == {"a": (0, 2, 6)}
    assert totals_of([curve("idle", [3, 3]), curve("", [1, 2])], 0) == {}


def test_a_real_server_is_asked(tmp_path: Path) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not on PATH (`apt-get install prometheus`; `make test` does)")
    values, start_s = told(calls(1, 10)), int(time.time()) - 60 * MINUTES
    lines = [
        f'llm_tokens_total{{service="{service}",job="llm",type="{kind}"}} {value / 2} '
        f"{start_s + 60 * at}"
        for service in ("gw", "shop")
        for kind in ("input", "output")
        for at, value in enumerate(values)
    ]
    written = tmp_path / "written.om"
    written.write_text("\n".join(["# TYPE llm_tokens counter", *lines, "# EOF\n"]))
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", "-q", written, tmp_path / "data"],
        check=True, capture_output=True, timeout=LONGEST_S,
    )  # fmt: skip
    with holding(tmp_path / "data", tmp_path / "server") as server:
        found = ask(server.base, code=1).one("gateways", "warning", "the same tokens")
    assert found["where"] == ["gw", "shop"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (Missing("x"), Missing("x")),
        ({"result": [{"values": [[1, "2"], [2, "NaN"], ["x"], 3]}]}, (Curve({}, ((1, 2),)),)),
        ({"result": [{"values": 1}, None]}, (Curve({}, ()),)),
        ([], ()),
    ],
)
def test_what_is_no_matrix_has_no_points(data: Any, expected: Any) -> None:
    assert curves(data) == expected


def test_the_question_is_about_a_family_that_exists() -> None:
    ((selector,),) = [selectors(needs(TOKENS_BY_SERVICE))]
    assert "service" in FAMILY_OF[selector.name].labels
