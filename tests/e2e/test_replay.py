"""`replay`: recorded OTLP in, an exposition or a table out."""

from __future__ import annotations

import gzip
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.e2e.process import DEADLINE_S, ROOT, command, run, running
from tests.e2e.warm import environment
from tests.e2e.wire import Log, call, logs, to_otlp_json, traces
from tests.facts import Samples

SAMPLES = ROOT / "examples" / "traces"
ONE = SAMPLES / "otel-genai-openai"
MESSAGES: dict[str, Callable[[bytes], Any]] = {
    "traces": ExportTraceServiceRequest.FromString,
    "logs": ExportLogsServiceRequest.FromString,
}


def numbers(exposition: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample of what was counted, without what the exporter says about itself."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for name, samples in Samples(exposition).by_name.items()
        for sample in samples
        if name.startswith("llm_") and not name.startswith("llm_exporter_")
    }


def assert_same(
    found: dict[tuple[str, frozenset[tuple[str, str]]], float],
    expected: dict[tuple[str, frozenset[tuple[str, str]]], float],
) -> None:
    """Equal but for the order in which fractions were added."""
    assert found.keys() == expected.keys()
    assert found == pytest.approx(expected, rel=1e-9, abs=0)


@pytest.fixture(scope="module")
def folder_replayed() -> str:
    """The exposition after all samples."""
    output, errors = run("replay", str(SAMPLES))
    assert errors == ""
    return output


@pytest.fixture(scope="module")
def one_replayed() -> str:
    """The exposition after one folder of protobuf files."""
    return run("replay", str(ONE))[0]


def otlp_files(folder: Path) -> Iterator[Path]:
    """Request files in the order of their names."""
    return (file for file in sorted(folder.rglob("*")) if file.suffix in {".pb", ".json"})


def test_a_folder_counts_as_the_same_requests_over_http(
    folder_replayed: str, tmp_path: Path
) -> None:
    with running(tmp_path, config={"decision_wait": "10m", "zero_hold": "0s"}) as exporter:
        for file in otlp_files(SAMPLES):
            signal_name = file.name.split(".")[1]
            media_type = {".pb": "application/x-protobuf", ".json": "application/json"}
            answer = exporter.post(file.read_bytes(), signal_name, media_type[file.suffix])
            assert answer.status_code == 200, (file, answer.text)
        exporter.reload()  # counts what waits
        served = exporter.get("/metrics").text
    # A reload ends no trace, the end of a replay does.
    expected = {key: v for key, v in numbers(folder_replayed).items() if "_trace" not in key[0]}
    assert sum(v for (name, _), v in expected.items() if name == "llm_requests_total") > 50
    assert_same({key: v for key, v in numbers(served).items() if "_trace" not in key[0]}, expected)


def test_openmetrics_tells_the_same(folder_replayed: str) -> None:
    output, _ = run("replay", "--openmetrics", str(SAMPLES))
    assert output.endswith("# EOF\n")
    found: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    exemplars = 0
    for family in text_string_to_metric_families(output):  # type: ignore[no-untyped-call]
        for sample in family.samples:
            exemplars += sample.exemplar is not None
            if sample.name.startswith("llm_") and not sample.name.startswith("llm_exporter_"):
                found[sample.name, frozenset(sample.labels.items())] = sample.value
    assert exemplars > 0
    assert_same(found, numbers(folder_replayed))


def test_summary() -> None:
    output, errors = run("replay", "--summary", str(SAMPLES))
    assert errors == ""
    lines = output.splitlines()
    assert lines[0].split()[:4] == ["provider", "model", "requests", "errors"]
    assert lines[-1].startswith("all ")
    assert "llm_requests_total" not in output


def test_packed_files_one_by_one(one_replayed: str, tmp_path: Path) -> None:
    packed = [tmp_path / f"{file.name}.gz" for file in otlp_files(ONE)]
    for file, target in zip(otlp_files(ONE), packed, strict=True):
        target.write_bytes(gzip.compress(file.read_bytes()))
    assert_same(numbers(run("replay", *map(str, packed))[0]), numbers(one_replayed))


def test_a_stream_of_requests_on_standard_input() -> None:
    bodies = [traces(call((7, 3))), traces(call((7, 3)), call((7, 3))), traces()]
    stream = b"".join(_varint(len(body)) + body for body in bodies)
    at = Samples(run("replay", "-", stdin=stream)[0])
    assert at.total("llm_requests_total", outcome="ok") == 3
    assert at.by("llm_tokens_total", "type") == {"input": 21, "output": 9}


def test_json_lines_as_the_collector_writes_them(one_replayed: str, tmp_path: Path) -> None:
    lines = b"".join(_collector_line(file) for file in otlp_files(ONE))
    file = tmp_path / "otel.jsonl"
    file.write_bytes(lines)
    packed = tmp_path / "otel.jsonl.gz"
    packed.write_bytes(gzip.compress(lines))
    expected = numbers(one_replayed)
    assert_same(numbers(run("replay", "-", stdin=gzip.compress(lines))[0]), expected)
    # The same spans and log records again count for nothing.
    assert_same(numbers(run("replay", str(file), str(packed))[0]), expected)


def test_nothing_found(tmp_path: Path) -> None:
    output, errors = run("replay", str(tmp_path), code=1)
    assert (output, errors) == ("", f"llm-trace-exporter: no OTLP requests in {tmp_path}\n")
    output, errors = run("replay", str(tmp_path / "absent.pb"), code=1)
    assert output == ""
    assert "absent.pb" in errors


SECRET = "the user's private words"


BROKEN = {
    "random.pb": b"\xff\x00random" * 40,
    "cut.traces.pb": traces(call(gen_ai__prompt=SECRET))[:-7],
    "cut.logs.pb": logs(Log({"prompt": SECRET}, body=SECRET))[:-7],
    "text.json": f'{{"resourceSpans": "{SECRET}"}}'.encode(),
    "lines.jsonl": b'{"resourceSpans":[]}\n{"resourceSpans":[{"x' + SECRET.encode(),
    "cut.json.gz": gzip.compress(b'{"resourceSpans": []}' * 99)[:-9],
}


@pytest.mark.parametrize(("name", "where"), [("lines.jsonl", ": line 2: "), ("text.json", ": ")])
def test_a_broken_file_is_named(tmp_path: Path, name: str, where: str) -> None:
    file = tmp_path / name
    file.write_bytes(BROKEN[name])
    output, errors = run("replay", str(file), code=1)
    assert output == ""
    (line,) = errors.splitlines()
    assert line.startswith(f"llm-trace-exporter: {file}{where}")
    assert SECRET not in line


def test_broken_files_in_a_folder_are_passed_over_and_named(tmp_path: Path) -> None:
    # A file of the right outline is found to be broken only when it is read in earnest.
    broken = {name: content for name, content in BROKEN.items() if name != "text.json"}
    (tmp_path / "good.traces.pb").write_bytes(traces(call()))
    for name, content in broken.items():
        (tmp_path / name).write_bytes(content)
    output, errors = run("replay", str(tmp_path))
    assert Samples(output).total("llm_requests_total") == 1
    assert len(errors.splitlines()) == len(broken)
    for name in broken:
        assert f"{tmp_path / name}: passed over: " in errors
    assert SECRET not in errors


def test_a_reader_that_leaves_early() -> None:
    replay = subprocess.Popen(
        command("replay", str(ONE)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=environment(),
    )
    with replay:
        assert replay.stdout is not None
        assert replay.stderr is not None
        replay.stdout.close()
        errors = replay.stderr.read().decode()
        assert replay.wait(DEADLINE_S) == 1
    assert errors == ""


def _varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def _collector_line(file: Path) -> bytes:
    """A request as a line of the Collector's file exporter: ids in hex, enums as numbers."""
    message = MESSAGES[file.name.split(".")[1]](file.read_bytes())
    return to_otlp_json(message) + b"\n"
