"""What a scraper gets for its Accept header."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.exposition import choose_encoder

from llm_trace_exporter.metrics.negotiation import PLAIN, Format, choose

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROTOBUF_FIRST = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;"
    "q=0.6," + PROMETHEUS_3
)
TEXT_FIRST = "text/plain;version=0.0.4;q=0.9,application/openmetrics-text;version=1.0.0;q=0.5"
OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT = "text/plain; version=0.0.4; charset=utf-8"


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", TEXT),
        ("*/*", TEXT),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", TEXT),
        ("application/json", TEXT),
        ("text/plain", TEXT),
        ("text/plain;version=0.0.4", TEXT),
        ("text/plain; version=1.0.0", "text/plain; version=1.0.0; charset=utf-8"),
        (
            "text/plain;version=1.0.0;escaping=dots",
            "text/plain; version=1.0.0; charset=utf-8; escaping=dots",
        ),
        (PROMETHEUS_2, OPEN),
        (PROMETHEUS_3, OPEN + "; escaping=allow-utf-8"),
        (PROTOBUF_FIRST, OPEN + "; escaping=allow-utf-8"),
        (TEXT_FIRST, TEXT),
        ("application/openmetrics-text", OPEN),
        ("Application/OpenMetrics-Text ; Version=1.0.0 ; Q=0.3", OPEN),
        ('application/openmetrics-text; version="1.0.0"', OPEN),
        ("application/openmetrics-text;version=1.0.0;escaping=evil\r\nX: y", OPEN),
        ("application/openmetrics-text;version=0.0.1", TEXT),
        ("application/openmetrics-text;version=2.0.0", TEXT),
        ("application/openmetrics-text;q=0,text/plain;q=0.1", TEXT),
        ("application/openmetrics-text;q=nan", TEXT),
        ("application/openmetrics-text;q=7", TEXT),
    ],
)
def test_choice(accept: str, content_type: str) -> None:
    choice = choose(accept)
    assert choice.content_type == content_type
    assert (choice.format is Format.OPENMETRICS) == content_type.startswith("application/")


@pytest.mark.parametrize("accept", ["", "*/*", "text/plain", PROMETHEUS_3])
def test_prometheus_client_answers_the_same(accept: str) -> None:
    assert choose(accept).content_type == choose_encoder(accept)[1]


@given(st.text(st.characters()) | st.text('aplictonxe/-;,=q.01*" \t'))
def test_any_header_gets_an_answer_that_is_a_valid_header(accept: str) -> None:
    answer = choose(accept).content_type
    assert answer.isascii() and answer.isprintable()


def test_a_huge_header_is_cut() -> None:
    assert choose("x/y," * 1_000_000 + OPEN) == PLAIN
