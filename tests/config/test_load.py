"""Files as operators write them: what is taken, and exactly what is told of what is not."""

from __future__ import annotations

import time
from datetime import date
from pathlib import Path

import pytest

from llm_trace_exporter.config import Settings, effective_yaml, load_config, parse_config
from llm_trace_exporter.config.document import MAX_BYTES
from llm_trace_exporter.config.settings import (
    ContractSettings,
    DialectSettings,
    SamplingSettings,
    VerdictLabelSettings,
)
from llm_trace_exporter.errors import ConfigError

HERE = Path(__file__).parent
EXAMPLE = HERE.parents[1] / "examples" / "config.yml"
BAD = sorted((HERE / "bad").glob("*.yml"))
GOOD = [*sorted((HERE / "good").glob("*.yml")), EXAMPLE]


def problems_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "c.yml")
    return caught.value.problems


@pytest.mark.parametrize("path", BAD, ids=lambda p: p.stem)
def test_every_problem_is_told_at_once(path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    told = "\n".join(caught.value.problems).replace(f"{path}", path.name) + "\n"
    assert told == path.with_suffix(".txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", GOOD, ids=lambda p: p.stem)
def test_effective_configuration_loads_back(path: Path) -> None:
    settings = load_config(path)
    written = effective_yaml(settings)
    assert parse_config(written, "effective.yml") == settings
    assert effective_yaml(parse_config(written, "effective.yml")) == written


@pytest.mark.parametrize("name", ["empty", "comment", "nothing"])
def test_nothing_written_means_defaults(name: str) -> None:
    settings = load_config(HERE / "good" / f"{name}.yml")
    if name == "nothing":
        assert settings.dialects == {"openlit": DialectSettings()}
        settings = parse_config("", "empty.yml")
    assert settings == Settings()


def test_no_file_means_defaults() -> None:
    assert load_config(None) == Settings()


def test_words_and_units_are_read_as_meant() -> None:
    settings = load_config(HERE / "good" / "words.yml")
    assert settings.web.listen_addresses == (":9891",)
    assert settings.otlp.http.listen_address == ""
    assert settings.zero_hold_s == 0
    assert settings.decision_wait_s == 90.5
    assert settings.dimensions == ()
    assert settings.labels.caps == {
        "service": 200,
        "model": 7,
        "request_model": 200,
        "response_model": 200,
    }
    assert settings.sampling == SamplingSettings({"123": 1.0, "null": 0.5, "no": 0.5})
    assert settings.judges.labels == VerdictLabelSettings(
        passed=("yes", "2026-01-01", "1:30"),
        failed=("no", "1", "true", "off", "1e3", "~", "\x85"),
    )
    day = date(2026, 1, 1)
    contract = ContractSettings("a*", valid_from=day, valid_until=day, usd_per_request=0.0)
    assert settings.pricing.contracts == (contract, contract)


def test_example_names_every_key() -> None:
    written = EXAMPLE.read_text(encoding="utf-8")
    settings = load_config(EXAMPLE)
    keys = {
        line.split(":")[0].strip(" -")
        for line in effective_yaml(settings).splitlines()
        if line.rstrip().endswith(":") or ": " in line
    }
    assert {key for key in keys if f"{key}:" not in written} == set()


def test_a_whole_file_is_read_quickly() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    parse_config(text, "warm.yml")
    started = time.process_time()
    parse_config(text, "c.yml")
    assert time.process_time() - started < 0.2


@pytest.mark.parametrize("label", ["[a]", "{a: b}", "1", "null"])
def test_a_label_that_is_no_text_is_told_and_nothing_else_trips_over_it(label: str) -> None:
    told = problems_of(f"dimensions: [{{label: {label}, keys: [a]}}]\nslos: []\nbudgets: []\n")
    assert len(told) == 1
    assert "dimensions[0].label" in told[0]


def test_unreadable_files_are_told(tmp_path: Path) -> None:
    missing = tmp_path / "no.yml"
    binary = tmp_path / "binary.yml"
    binary.write_bytes(b"decision_wait: 1s\n\xff\xfe")
    large = tmp_path / "large.yml"
    large.write_bytes(b"#" * (MAX_BYTES + 1))
    told = {
        missing: f"{missing}: cannot be read: No such file or directory",
        tmp_path: f"{tmp_path}: cannot be read: Is a directory",
        binary: f"{binary}:2: found bytes that are not UTF-8; allowed: UTF-8",
        large: f"{large}: found more than 1 MiB; allowed: at most 1 MiB",
        Path("a\0b"): "a\0b: cannot be read: not a path",
    }
    for path, expected in told.items():
        with pytest.raises(ConfigError) as caught:
            load_config(path)
        assert caught.value.problems == [expected]


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    path = tmp_path / "bom.yml"
    path.write_bytes(b"\xef\xbb\xbfdecision_wait: 1s\r\nlateness: 2h\r\n")
    assert load_config(path).decision_wait_s == 1


def test_problems_are_bounded() -> None:
    told = problems_of("".join(f"key{i}: 1\n" for i in range(500)))
    assert len(told) == 101
    assert told[-1] == "c.yml: and 400 more problems"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("decision_wait: 10", "10s"),
        ("decision_wait: 5 min", "5m"),
        ("otlp: {max_request_bytes: 1048576}", "1MiB"),
        ("otlp: {max_request_bytes: 10mb}", "10MB"),
        ("openmetrics: {created: 'on'}", "true"),
        ("web: {listen_address: 9891}", ":9891"),
        ("telemetry_path: x", "web.telemetry_path"),
        ("web: {listen-address: x}", "listen_address"),
        ("dialects: {openinferance: {}}", "openinference"),
        ("max_request_byte: 5", "otlp.max_request_bytes"),
        ("judges: {labels: {fail: [true]}}", "true"),
    ],
)
def test_what_was_meant_is_guessed(text: str, meant: str) -> None:
    (told,) = problems_of(text)
    assert told.endswith(f'(did you mean "{meant}"?)')


@pytest.mark.parametrize(
    "text", ["decision_wait: '10s\n\n '", 'decision_wait: "10s\\n"', "decision_wait: ''"]
)
def test_patterns_hold_to_the_last_character(text: str) -> None:
    assert len(problems_of(text)) == 1


FORMER = {
    "settle: 5s\n": "decision_wait",
    "texts: {}\n": "content",
    "traces: {quiet: 5s}\n": "idle_timeout",
    "traces: {rootless_quiet: 5s}\n": "rootless_idle_timeout",
    "traces: {bind_wait: 5s}\n": "inherit_wait",
    "limits: {patience: 5s}\n": "evaluation_wait",
    "limits: {subject_age: 5d}\n": "evaluation_target_age",
    "dimensions: [{label: team, from_trace: true}]\n": "inherit",
    "judges: {by_name: {x: {humans: [y]}}}\n": "human_names",
    "judge: {rules: [{name: x, question: y, sees: [answer]}]}\n": "inputs",
    "judge: {rules: [{name: x, question: y, needs: [answer]}]}\n": "requires",
}


@pytest.mark.parametrize(("text", "name"), FORMER.items())
def test_a_key_under_its_former_name_is_told_the_new_one(text: str, name: str) -> None:
    with pytest.raises(ConfigError, match=rf'unknown key; .*\(did you mean "{name}"\?\)'):
        parse_config(text, "x.yml")
